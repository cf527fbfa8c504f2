#include "conf/imapd.h"

#include "conf/item.h"

static const char *const mta_sts[] = { "off", "none", "testing", "enforce", NULL };

/* clang-format off */
static const struct conf_item items[] = {
	CONF_COUNT(imapd_conf, workers, "0", "0", "256", "Worker processes; 0: one per processor."),
	CONF_LISTEN(imapd_conf, imap, "143",
	        "Where IMAP clients connect and use STARTTLS; \"none\": nowhere."),
	CONF_LISTEN(imapd_conf, imaps, "993", "Where IMAP clients connect with TLS; \"none\": nowhere."),
	CONF_LISTEN(imapd_conf, https, "443",
	        "Where phones and autodiscover clients connect; \"none\": nowhere."),
	CONF_COUNT(imapd_conf, max_connections, "10000", "1", "1000000", "Most connections of one worker."),
	CONF_COUNT(imapd_conf, max_user_connections, "100", "1", "100000",
	           "Most connections of one user to one worker."),
	CONF_COUNT(imapd_conf, max_https_connections, "20000", "1", "1000000",
	           "Most HTTPS connections of one worker; more wait until one ends."),
	CONF_COUNT(imapd_conf, device_requests, "6000", "0", "1000000",
	           "Most ActiveSync requests of one device in a minute; those that are more get 503 with Retry-After. 0: no limit."),
	CONF_COUNT(imapd_conf, device_repeats, "500", "0", "1000000",
	           "How often a device may send the very same request in five minutes: more is a loop, and is put off with 503 and "
	           "Retry-After until the five minutes are over. 0: no limit."),
	CONF_TIME(imapd_conf, https_idle_timeout, "5m", "10s", "1h",
	        "An HTTPS connection on which nothing is asked for so long ends. One whose client waits for new mail is not "
	        "idle."),
	CONF_TIME(imapd_conf, https_request_timeout, "60s", "1s", "1h",
	        "How long an HTTPS request may take to come in, and the handshake before the first; a second more is given for "
	        "each KiB of it that has come. Who is slower loses his connection."),
	CONF_TIME(imapd_conf, idle_timeout, "30m", "30m", "1d",
	        "A client that is silent for so long is logged out; RFC 3501 5.4 asks for 30 minutes at "
	        "least."),
	CONF_TIME(imapd_conf, preauth_timeout, "60s", "1s", "30m", "How long a client may take to log in."),
	CONF_SIZE(imapd_conf, max_literal, "64M", "64K", "2G", "Largest message that APPEND takes."),
	CONF_SIZE(imapd_conf, max_line, "64K", "8K", "1M",
	        "Longest command line, literals not counted; RFC 7162 section 4 asks for 8192 bytes."),
	CONF_TIME(imapd_conf, store_timeout, "15s", "100ms", "10m",
	        "How long a volume may take to answer before a command fails with UNAVAILABLE."),
	CONF_BOOL(imapd_conf, allow_cleartext_auth, "no",
	        "Whether passwords are taken without TLS from other hosts. Loopback addresses always may."),
	CONF_COUNT(imapd_conf, max_devices, "50", "1", "10000", "Most ActiveSync devices of one user; podctl device remove makes room."),
	CONF_DOMAIN(imapd_conf, client_host, "", "mta.hostname", conf_check_domain_or_empty,
	        "Name under which clients reach IMAP, submission and HTTPS: what autodiscover tells them."),
	CONF_CHOICE(imapd_conf, mta_sts, "off", mta_sts,
	        "Mode of the MTA-STS policy (RFC 8461) shown at https://mta-sts.DOMAIN/.well-known/mta-sts.txt for every hosted "
	        "domain; off: none. It needs port 443, a certificate for that name (tls.sni_dir) and the records that podctl "
	        "domain dns prints. Begin with testing; to end it, say none for as long as mta_sts_max_age."),
	CONF_LIST(imapd_conf, mta_sts_mx, "", conf_check_dns_name,
	        "Names of the mail servers that the policy allows. Empty: mta.hostname."),
	CONF_TIME(imapd_conf, mta_sts_max_age, "7d", "1d", "365d", "How long other servers keep the policy."),
};
/* clang-format on */

const struct conf_section conf_section_imapd = {
	.name = "imapd",
	.help = "The IMAP front end.",
	.offset = offsetof(struct conf, imapd),
	.items = items,
	.n = ARRAY_SIZE(items),
};
