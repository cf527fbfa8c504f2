#include "conf/outbound.h"

#include "conf/item.h"

static const char *const tls[] = { "none", "may", "encrypt", "verify", NULL };

/* clang-format off */
static const struct conf_item items[] = {
	CONF_COUNT(outbound_conf, workers, "1", "1", "64",
	        "Processes that send mail to other servers. Mail to one destination is one process' matter."),
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
};
/* clang-format on */

const struct conf_section conf_section_outbound = {
	.name = "outbound",
	.help = "How mail to other servers is sent.",
	.offset = offsetof(struct conf, outbound),
	.items = items,
	.n = ARRAY_SIZE(items),
};
