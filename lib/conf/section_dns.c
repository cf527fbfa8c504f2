#include "conf/dns.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_LIST(dns_conf, servers, "", conf_check_dns_server,
	        "Resolvers that are asked, each an address with or without a port, such as 192.0.2.1 or [::1]:5353. "
	        "Their answers are validated here. Empty: the authoritative servers are asked, from the root on."),
	CONF_LIST(dns_conf, stubs, "", conf_check_dns_stub,
	        "Authoritative servers of zones that are not asked for from the root on, each ZONE=ADDRESS, such as "
	        "corp.example=10.0.0.53 or .=127.0.0.1:5300; several for one zone are several entries."),
	CONF_LIST(dns_conf, unsigned_zones, "", conf_check_dns_name,
	        "Zones that are not validated, because they are private and no signed zone refers to them."),
	CONF_PATH(dns_conf, trust_anchor, "/usr/share/dns/root.key",
	        "DS or DNSKEY records that validation (DNSSEC) begins at. Empty: nothing is validated, and no "
	        "destination has DANE."),
	CONF_PATH_DERIVED(dns_conf, root_hints, "what libunbound was built with", "Names and addresses of the root's servers."),
	CONF_SIZE(dns_conf, cache_size, "16M", "1M", "4G", "Memory of one process for answers."),
	CONF_TIME(dns_conf, timeout, "15s", "100ms", "5m", "How long a lookup may take."),
};
/* clang-format on */

const struct conf_section conf_section_dns = {
	.name = "dns",
	.help = "Name lookups of the mta and of podfilter, by a validating resolver inside of them.",
	.offset = offsetof(struct conf, dns),
	.items = items,
	.n = ARRAY_SIZE(items),
};
