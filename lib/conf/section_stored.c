#include "conf/stored.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_COUNT(stored_conf, readers, "4", "1", "64", "Threads that answer requests which only read."),
	CONF_SIZE(stored_conf, map_size, "64G", "16M", "1T",
	        "Largest size the index of a volume can reach. It reserves addresses, not memory."),
	CONF_COUNT(stored_conf, commit_max_messages, "512", "1", "10000",
	        "Most changes made durable in one commit."),
	CONF_TIME(stored_conf, commit_window, "0", "0", "100ms",
	        "How long a commit waits for company. 0: it takes what has gathered while the one before "
	        "it was at the disk, and waits a moment for those just answered only, which is best for "
	        "most disks."),
	CONF_TIME(stored_conf, auth_cache, "5m", "0", "1h",
	        "How long a successful password check is remembered in memory, as a keyed digest; 0: not "
	        "at all."),
	CONF_SIZE(stored_conf, quota_default, "10G", "0", "1T",
	        "Quota of users who have none of their own; 0: unlimited."),
	CONF_COUNT(stored_conf, users_max, "1000", "1", "1000", "Most users on a volume."),
	CONF_TIME(stored_conf, write_behind, "3s", "0", "1m",
	        "How long after a change of flags the file is renamed."),
	CONF_TIME(stored_conf, delivery_settle, "500ms", "0", "1m",
	        "How long a delivery that is durable in the volume's journal may wait until the index has it, "
	        "where nobody looks for it earlier. 0: both at once, which takes several flushes of the disk "
	        "in place of one."),
	CONF_TIME(stored_conf, delivery_memory, "7d", "1d", "30d",
	        "How long the id of a delivery is remembered, to recognise one that is repeated. Longer "
	        "than mta.queue_lifetime."),
	CONF_TIME(stored_conf, oof_repeat, "7d", "1s", "365d",
	        "Who was told that a user is away is not told again for so long, unless the user changes the words."),
	CONF_STRING(stored_conf, tls_listen, "", conf_check_listen,
	        "Address and port where front ends on other hosts reach the volume, over TLS with certificates "
	        "of both sides (tls.cert and tls.key; front ends' by tls.ca). A volume whose endpoint in the "
	        "directory is HOST:PORT listens at that port instead, so that several share the host. Empty or "
	        "\"none\": nowhere; local front ends use a unix socket in any case."),
	CONF_STRING(stored_conf, tls_mta, "podmail-mta", conf_check_name,
	        "Common name of the certificate that may deliver. One host's mta and imapd share "
	        "tls.client_cert: where both run, give its name here and in tls_gateway."),
	CONF_STRING(stored_conf, tls_gateway, "podmail-imap", conf_check_name,
	        "Common name of the certificate that may open sessions of users who logged in."),
	CONF_STRING(stored_conf, tls_admin, "podmail-podd", conf_check_name,
	        "Common name of the certificate that may add users and do what else podd does."),
	CONF_STRING(stored_conf, tls_filter, "podmail-filter", conf_check_name,
	        "Common name of the certificate that may learn from messages that users moved into Junk or out of it."),
};
/* clang-format on */

const struct conf_section conf_section_stored = {
	.name = "stored",
	.help = "The store: one process per volume.",
	.offset = offsetof(struct conf, stored),
	.items = items,
	.n = ARRAY_SIZE(items),
};
