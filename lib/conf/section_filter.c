#include "conf/filter.h"

#include "conf/item.h"

static const char *const greylist_words[] = {
	[GREYLIST_NOBODY] = "off",
	[GREYLIST_SUSPICIOUS] = "suspicious",
	[GREYLIST_ALL] = "all",
	NULL,
};
static const char *const action_words[] = {
	[FILTER_ACTION_NONE] = "none",         [FILTER_ACTION_JUNK] = "junk",     [FILTER_ACTION_QUARANTINE] = "quarantine",
	[FILTER_ACTION_TEMPFAIL] = "tempfail", [FILTER_ACTION_REJECT] = "reject", NULL,
};

/* clang-format off */
static const struct conf_item items[] = {
	CONF_BOOL(filter_conf, enabled, "yes", "Whether podd runs podfilter, and the mta asks it, after its own milters. A change holds from podd's next start on."),
	CONF_PATH(filter_conf, dir, "filter", "What podfilter remembers, and the files of messages that it looks at."),
	CONF_NETWORKS(filter_conf, trusted, "127.0.0.0/8, ::1",
	        "Addresses and networks whose mail is not judged: other gateways and machines of one's own."),
	CONF_TIME(filter_conf, idle_timeout, "2h", "1m", "1d",
	        "A connection of the mta that says nothing for so long is closed."),
	CONF_LIST(filter_conf, weights, "", conf_check_weight,
	        "Points of findings in the place of their defaults, each SYMBOL POINTS, such as EXECUTABLE 8 or "
	        "SPF_FAIL 2.5. podfilter(8) lists the symbols."),
	CONF_COUNT(filter_conf, junk_score, "6", "0", "1000",
	        "A message with so many points is delivered to Junk; 0: none is."),
	CONF_COUNT(filter_conf, quarantine_score, "0", "0", "1000",
	        "A message with so many points is kept in the quarantine; 0: none is."),
	CONF_COUNT(filter_conf, reject_score, "15", "0", "1000", "A message with so many points is refused; 0: none is."),
	CONF_TIME(filter_conf, reputation_half_life, "14d", "1m", "365d",
	        "After so long what somebody sent counts half in his reputation."),
	CONF_COUNT(filter_conf, reputation_entries, "500000", "1000", "5000000",
	        "Addresses, networks and names that reputation is kept of; those of whom least is known are forgotten first."),
	CONF_COUNT(filter_conf, connections_per_client, "20", "0", "100000",
	        "Connections that a client with no reputation may have at one time; one with a good one may have five times as "
	        "many, one with a bad one a fifth. 0: any number."),
	CONF_COUNT(filter_conf, connection_rate, "120", "0", "1000000",
	        "Connections that a client with no reputation may begin in a minute; with a good or a bad one as above. 0: any "
	        "number."),
	CONF_COUNT(filter_conf, max_unknown_recipients, "10", "0", "10000",
	        "After so many unknown recipients a connection is answered with 421; 0: never."),
	CONF_LIST(filter_conf, dns_lists, "", conf_check_dns_list,
	        "DNSBLs and, with points below 0, DNSWLs that a client's address is looked up in: each ZONE POINTS [ANSWERS], "
	        "such as bl.example.org 4.5 127.0.0.2-11. ANSWERS are an address, a range of its last number, a network, or "
	        "127.0.0.0&6 for any of these bits in the last number; default 127.0.0.0/8."),
	CONF_TIME(filter_conf, dns_lists_timeout, "5s", "100ms", "1m",
	        "A list that has not answered by then is taken as one that does not know the client."),
	CONF_CHOICE(filter_conf, greylist, "suspicious", greylist_words,
	        "Who is told to come again when he writes to somebody for the first time: nobody, those with a bad reputation "
	        "or in a DNSBL, or everybody whom we do not know well."),
	CONF_TIME(filter_conf, greylist_delay, "5m", "1s", "1d", "How long such a sender has to wait at least."),
	CONF_TIME(filter_conf, greylist_window, "2d", "1m", "30d", "By when he has to come again, or wait anew."),
	CONF_TIME(filter_conf, greylist_lifetime, "36d", "1h", "365d",
	        "How long one who came again passes at once, from his last message on."),
	CONF_LIST(filter_conf, banned_extensions,
	        "ade, adp, app, appx, bat, chm, cmd, com, cpl, dll, exe, hta, ins, iso, isp, jar, js, jse, lib, lnk, mde, msc, msi, "
	        "msp, mst, pif, ps1, reg, scr, sct, shb, sys, vb, vbe, vbs, vhd, vhdx, vxd, wsc, wsf, wsh",
	        conf_check_extension, "Names of attachments, and of files in archives, that end so are not let in."),
	CONF_CHOICE(filter_conf, banned_action, "reject", action_words,
	        "What is done with a message that holds such a file, or an executable whatever its name."),
	CONF_COUNT(filter_conf, max_parts, "1000", "1", "10000", "A message of more MIME parts is refused."),
	CONF_COUNT(filter_conf, max_nesting, "30", "1", "100", "So is one whose parts are nested deeper."),
	CONF_COUNT(filter_conf, max_archive_nesting, "3", "0", "10",
	        "So is one with an archive in an archive, and so on, deeper than that."),
	CONF_STRING(filter_conf, clamd, "", conf_check_peer_or_empty,
	        "Where clamd listens: unix:/PATH or ADDRESS:PORT. Empty: messages are not scanned."),
	CONF_TIME(filter_conf, clamd_timeout, "1m", "1s", "10m", "How long clamd may take for a message."),
	CONF_SIZE(filter_conf, clamd_max_size, "24M", "64K", "2G",
	        "Larger messages are not given to clamd; at most its StreamMaxLength, 25M by default."),
	CONF_CHOICE(filter_conf, clamd_failure, "tempfail", action_words,
	        "What is done with a message that clamd does not answer about."),
	CONF_BOOL(filter_conf, junk_headers_of_rspamd, "no",
	        "Whether X-Spam: yes of a message that comes in is believed, because rspamd stands before podfilter in "
	        "mta.milters."),
	CONF_BOOL(filter_conf, training, "yes",
	        "Whether users' moves into Junk and out of it count in the sender's reputation and are told to rspamd."),
	CONF_TIME(filter_conf, training_interval, "10s", "1s", "1h", "How often volumes are asked for such moves."),
	CONF_COUNT(filter_conf, training_per_day, "200", "0", "1000000",
	        "Most moves of one user in a day that are learnt from, so that nobody alone, and no program with a stolen password, "
	        "decides what spam is; what is more is passed over. 0: any number."),
	CONF_STRING(filter_conf, rspamd_url, "", conf_check_http_url_or_empty,
	        "rspamd's controller, such as http://127.0.0.1:11334: told of such moves by /learnspam and /learnham. Empty: "
	        "none."),
	CONF_STRING(filter_conf, rspamd_password, "", NULL, "The password that it wants: its enable_password if it has one."),
	CONF_TIME(filter_conf, rspamd_patience, "10m", "1s", "1d",
	        "So long after a move it is told again to an rspamd that answers 404, as it does while its redis is away, and in "
	        "some versions of messages that it knows."),
};
/* clang-format on */

const struct conf_section conf_section_filter = {
	.name = "filter",
	.help = "podfilter, the pod's own milter.",
	.offset = offsetof(struct conf, filter),
	.items = items,
	.n = ARRAY_SIZE(items),
};
