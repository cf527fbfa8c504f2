#include "conf/auth.h"

#include "conf/item.h"

static const char *const dmarc_words[] = {
	[AUTH_DMARC_OBSERVE] = "observe", [AUTH_DMARC_JUNK] = "junk", [AUTH_DMARC_ENFORCE] = "enforce", NULL
};
static const char *const arc_words[] = {
	[AUTH_ARC_OFF] = "off", [AUTH_ARC_FORWARDED] = "forwarded", [AUTH_ARC_ALL] = "all", NULL
};

/* clang-format off */
static const struct conf_item items[] = {
	CONF_DOMAIN(auth_conf, authserv_id, "", "the mta's own name", conf_check_domain_or_empty,
	        "Under which name results are written into Authentication-Results; fields that came along with it are "
	        "removed. The same for all front ends of a pod where mail goes through several."),
	CONF_TIME(auth_conf, spf_timeout, "20s", "1s", "2m",
	        "How long the lookups of one SPF check may take together."),
	CONF_CHOICE(auth_conf, dmarc, "enforce", dmarc_words,
	        "What becomes of a message that fails DMARC: what the domain in its From asks for, with its \"quarantine\" "
	        "meaning Junk; Junk at most; or nothing but a finding."),
	CONF_BOOL(auth_conf, dmarc_reports, "yes",
	        "Whether domains that ask for it (rua=) are told each day who sent mail in their name."),
	CONF_DERIVED(auth_conf, dmarc_report_from, conf_check_address_or_empty, "postmaster at pod.domain",
	        "Who sends these reports: an address of a domain that has a DKIM key, or they may be refused."),
	CONF_DERIVED(auth_conf, dmarc_report_org, NULL, "pod.domain", "Who reports, in words."),
	CONF_CHOICE(auth_conf, arc, "forwarded", arc_words,
	        "Which incoming messages get our ARC seal: none, those that an alias or group sends on to another server, or all. "
	        "The domain that seals is that of the recipient, or pod.domain, whichever has an RSA key."),
	CONF_LIST(auth_conf, arc_trusted, "", conf_check_domain,
	        "Domains whose ARC seals are believed: a message that fails DMARC and had passed it where they got it is not "
	        "treated as a failure."),
	CONF_BOOL(auth_conf, sign, "yes",
	        "Whether what users submit, and what the pod itself sends to other servers, is signed with DKIM where its domain "
	        "has an active key."),
	CONF_TIME(auth_conf, dkim_grace, "7d", "0", "365d",
	        "How long a key that another has replaced stays, for mail on its way; then the schedule of \"podctl domain dkim "
	        "rotate --every\" removes it."),
};
/* clang-format on */

const struct conf_section conf_section_auth = {
	.name = "auth",
	.help = "Authentication of senders, by podfilter: SPF, DKIM, DMARC and ARC.",
	.offset = offsetof(struct conf, auth),
	.items = items,
	.n = ARRAY_SIZE(items),
};
