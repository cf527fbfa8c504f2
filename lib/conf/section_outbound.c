#include "conf/outbound.h"

#include "conf/item.h"

static const char *const tls[] = { "none", "may", "encrypt", "verify", NULL };

/* clang-format off */
static const struct conf_item items[] = {
	CONF_COUNT(outbound_conf, workers, "1", "1", "64",
	        "Processes that send mail to other servers. Mail to one destination is one process' matter."),
	CONF_COUNT(outbound_conf, port, "25", "1", "65535",
	        "Port of other servers, where no route says otherwise; another one than 25 is for closed networks."),
	CONF_STRING(outbound_conf, source_ipv4, "*", conf_check_host,
	        "Our IPv4 address towards other servers; \"*\": the system's choice."),
	CONF_STRING(outbound_conf, source_ipv6, "*", conf_check_host,
	        "Our IPv6 address towards other servers; \"*\": the system's choice."),
	CONF_BOOL(outbound_conf, ipv4, "yes", "Whether other servers are connected to over IPv4."),
	CONF_BOOL(outbound_conf, ipv6, "yes", "Whether other servers are connected to over IPv6."),
	CONF_PATH(outbound_conf, routes, "",
	        "File of destinations whose mail does not go where the DNS says, but to a smart host: see ROUTES. "
	        "Read at start and at a reload; the mta's user must be able to read it. Empty: none."),
	CONF_PATH(outbound_conf, dir, "outbound",
	        "What is remembered of other servers: their MTA-STS policies, counts for TLS reports."),
	CONF_CHOICE(outbound_conf, tls, "may", tls,
	        "Least that is asked of every destination's TLS, whatever it publishes itself (DANE, MTA-STS). none: TLS is "
	        "not even tried; may: it is used where it is to be had; encrypt: there must be TLS, with any certificate; "
	        "verify: with one that outbound.ca signed for the name of the MX or of the domain."),
	CONF_LIST(outbound_conf, tls_domains, "", conf_check_tls_domain,
	        "The same for some destinations, each DOMAIN=WORD, or .DOMAIN=WORD for what is under it, such as "
	        "partner.example=verify. none leaves DANE and MTA-STS aside, too."),
	CONF_PATH_DERIVED(outbound_conf, ca, "the system's",
	        "CAs that certificates of other servers and of MTA-STS policies are verified with (PEM)."),
	CONF_COUNT(outbound_conf, sts_port, "443", "1", "65535",
	        "Port of the https servers that MTA-STS policies are fetched from. RFC 8461 3.3 knows no other: one is for "
	        "networks of one's own."),
	CONF_COUNT(outbound_conf, hosts_max, "10", "1", "100",
	        "Most addresses that are tried for one message in one attempt."),
	CONF_TIME(outbound_conf, connect_timeout, "30s", "100ms", "10m", "How long a server may take to accept a connection."),
	CONF_TIME(outbound_conf, next_address, "250ms", "10ms", "10m",
	        "How long an address of a host may take until the host's next one is tried beside it, and whichever answers first "
	        "is used (RFC 8305 5)."),
	CONF_TIME(outbound_conf, greeting_timeout, "5m", "100ms", "1h",
	        "How long it may take to greet; RFC 5321 4.5.3.2.1 asks for 5 minutes."),
	CONF_TIME(outbound_conf, command_timeout, "5m", "100ms", "1h",
	        "How long it may take to answer a command, or to do its part of a TLS handshake; RFC 5321 4.5.3.2.2 and "
	        "4.5.3.2.3 ask for 5 minutes."),
	CONF_TIME(outbound_conf, data_timeout, "2m", "100ms", "1h",
	        "How long it may take to answer DATA; RFC 5321 4.5.3.2.4 asks for 2 minutes."),
	CONF_TIME(outbound_conf, block_timeout, "3m", "100ms", "1h",
	        "How long it may take no bytes of a message; RFC 5321 4.5.3.2.5 asks for 3 minutes."),
	CONF_TIME(outbound_conf, done_timeout, "10m", "100ms", "1h",
	        "How long it may take to answer for a message that it has; RFC 5321 4.5.3.2.6 asks for 10 minutes."),
	CONF_TIME(outbound_conf, idle_time, "3s", "0ms", "5m",
	        "How long a connection is kept for the next message to the same place; 0: not at all."),
	CONF_COUNT(outbound_conf, reuse_messages, "100", "1", "100000", "Most messages over one connection."),
	CONF_TIME(outbound_conf, reuse_time, "5m", "1s", "1d", "A connection that is older gets no further message."),
	CONF_TIME(outbound_conf, silent_host_time, "1m", "0ms", "1d",
	        "How long an address that did not answer comes last among those of a destination."),
	CONF_SIZE(outbound_conf, one_go_size, "64K", "0", "16M",
	        "A message up to this goes out in one go with its recipients, where the server knows CHUNKING and PIPELINING."),
	CONF_BOOL(outbound_conf, tls_reports, "yes",
	        "Whether domains that ask for it are told every day how TLS with them went (RFC 8460)."),
};
/* clang-format on */

const struct conf_section conf_section_outbound = {
	.name = "outbound",
	.help = "How mail to other servers is sent.",
	.offset = offsetof(struct conf, outbound),
	.items = items,
	.n = ARRAY_SIZE(items),
};
