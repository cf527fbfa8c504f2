#include "conf/mta.h"

#include "conf/item.h"

static const char *const languages[] = { "en", "de", "fr", "es", "it", "nl", NULL };

const char *conf_language_name(unsigned int language)
{
	return language < ARRAY_SIZE(languages) ? languages[language] : NULL;
}

static const char *const failure_words[] = { "tempfail", "accept", "reject", "quarantine", NULL };

const char *conf_milter_failure_name(unsigned int on_failure)
{
	return on_failure < ARRAY_SIZE(failure_words) - 1 ? failure_words[on_failure] : NULL;
}

/* clang-format off */
static const struct conf_item milter_fields[] = {
	CONF_STRING(conf_milter, name, NULL, conf_check_name, "What it is called in logs and metrics."),
	CONF_STRING(conf_milter, socket, NULL, conf_check_milter_socket,
	        "Where it listens: inet:PORT@ADDRESS, inet6:PORT@ADDRESS, unix:/PATH or local:/PATH."),
	CONF_TIME(conf_milter, connect_timeout, "5s", "100ms", "10m", "How long connecting to it may take."),
	CONF_TIME(conf_milter, send_timeout, "10s", "100ms", "10m",
	        "How long it may leave what is sent to it unread."),
	CONF_TIME(conf_milter, timeout, "30s", "100ms", "1h", "How long it may take to answer a step."),
	CONF_TIME(conf_milter, end_timeout, "5m", "100ms", "1h",
	        "How long it may take at the end of a message; each sign of progress it gives starts this anew."),
	CONF_COUNT(conf_milter, protocol, "6", "2", "6",
	        "Highest version of the milter protocol offered. Filters older than theirs answer with a lower one; some "
	        "break off instead, and need this."),
	CONF_CHOICE(conf_milter, on_failure, "tempfail", failure_words,
	        "What is done with a message when the milter cannot be reached, does not answer in time or breaks the "
	        "protocol: the sender is asked to come again, it is taken without this milter, it is refused, or it is "
	        "taken and held in quarantine."),
};

static const struct conf_item items[] = {
	CONF_COUNT(mta_conf, workers, "0", "0", "256", "Worker processes; 0: one per processor."),
	CONF_LISTEN(mta_conf, smtp, "25", "Where mail comes in from other servers; \"none\": nowhere."),
	CONF_LISTEN(mta_conf, lmtp, "24", "Where mail comes in over LMTP; \"none\": nowhere."),
	CONF_LISTEN(mta_conf, submission, "587",
	        "Where users submit mail after STARTTLS; \"none\": nowhere."),
	CONF_LISTEN(mta_conf, submissions, "465", "Where users submit mail over TLS; \"none\": nowhere."),
	CONF_DOMAIN(mta_conf, hostname, "", "\"mx.\" and pod.domain", conf_check_domain_or_empty,
	        "Name in the greeting, in EHLO and in Received fields."),
	CONF_SIZE(mta_conf, max_message_size, "64M", "64K", "2G",
	        "Largest message accepted, advertised in SIZE."),
	CONF_SIZE(mta_conf, max_header_size, "1M", "16K", "16M",
	        "Largest header of a message; one that is larger is refused."),
	CONF_COUNT(mta_conf, max_recipients, "1000", "100", "10000",
	        "Most recipients of one message. RFC 5321 4.5.3.1.8 asks for 100 at least."),
	CONF_BOOL(mta_conf, client_names, "yes",
	        "Whether the name of who connects is looked up, for milters and the Received field: that of its address, where the "
	        "name leads back to the address. Nothing is refused because of it."),
	CONF_TIME(mta_conf, client_names_timeout, "3s", "100ms", "30s",
	        "How long that may take, for it comes before the greeting; then the client has no name."),
	CONF_COUNT(mta_conf, max_hops, "100", "10", "1000",
	        "A message with more Received fields than this is in a loop and refused; RFC 5321 6.3 "
	        "asks for 100."),
	CONF_COUNT(mta_conf, max_connections, "10000", "1", "1000000",
	        "Most SMTP connections of one worker."),
	CONF_COUNT(mta_conf, max_messages, "1000", "0", "1000000",
	        "Most messages in one session, advertised in LIMITS (RFC 9422); 0: any number. A client that "
	        "wants to send more is asked to connect again."),
	CONF_COUNT(mta_conf, max_errors, "20", "1", "10000",
	        "A client that makes more errors is disconnected."),
	CONF_TIME(mta_conf, command_timeout, "5m", "1s", "1h",
	        "How long a client may take to the next command; RFC 5321 4.5.3.2.7 asks for 5 minutes."),
	CONF_TIME(mta_conf, data_timeout, "10m", "1s", "1h",
	        "How long a client may be silent while it sends a message."),
	CONF_SIZE(mta_conf, memory_per_message, "256K", "4K", "64M",
	        "A message larger than this is spooled to a file while it comes in."),
	CONF_TIME(mta_conf, store_timeout, "15s", "100ms", "10m",
	        "How long a volume may take to store a message before the message goes to the queue."),
	CONF_PATH(mta_conf, queue_dir, "queue", "Messages that wait for a volume or for another server."),
	CONF_TIME(mta_conf, queue_retry_min, "5s", "100ms", "1d",
	        "Wait before the second attempt; it doubles each time."),
	CONF_TIME(mta_conf, queue_retry_max, "1h", "1s", "1d", "Longest wait between two attempts."),
	CONF_TIME(mta_conf, queue_warn_after, "4h", "1m", "30d",
	        "A sender whose message waits so long is told that it is late."),
	CONF_CHOICE(mta_conf, dsn_language, "en", languages,
	        "Language of delivery reports to senders whose user and domain have none of their own."),
	CONF_BOOL(mta_conf, double_bounces, "no",
	        "Whether postmaster is told of reports that cannot be delivered. They are logged and counted anyway."),
	CONF_BOOL(mta_conf, srs, "yes",
	        "Whether the envelope sender of mail that an alias or group sends on to another domain is "
	        "rewritten (SRS), so that it passes SPF there."),
	CONF_PATH(mta_conf, srs_secret, "srs.secret",
	        "File with the secrets for that, one a line: the first is used, the others still count. Made "
	        "where it is missing; all front ends of a pod need the same."),
	CONF_COUNT(mta_conf, queue_concurrency, "500", "1", "20000",
	        "Messages on their way to other servers at once."),
	CONF_COUNT(mta_conf, destination_concurrency, "20", "1", "1000",
	        "Messages on their way to one destination at once, at most; it begins with 3, and is what the "
	        "destination bears."),
	CONF_TIME(mta_conf, queue_lifetime, "5d", "1m", "30d",
	        "A message that could not be delivered for so long is returned; RFC 5321 4.5.4.1 asks for "
	        "4 to 5 days."),
	CONF_BOOL(mta_conf, safetynet, "yes",
	        "Whether messages delivered to a volume whose standby is asynchronous, or not in sync, are kept until "
	        "it has them, to be delivered again after a failover."),
	CONF_SIZE(mta_conf, safetynet_size, "2G", "1M", "1T",
	        "Most that is kept so for one volume; beyond it the oldest goes, and the log says so."),
	CONF_TIME(mta_conf, safetynet_keep, "1d", "1m", "30d", "And for how long at most."),
	CONF_TIME(mta_conf, quarantine_lifetime, "30d", "1m", "365d",
	        "A message in the quarantine that nobody released in that time is thrown away."),
	CONF_BOOL(mta_conf, allow_cleartext_auth, "no",
	        "Whether passwords are taken without TLS from other hosts. Loopback addresses always may."),
	CONF_RECORDS(mta_conf, milters, conf_milter, milter_fields,
	        "Milters that see mail from other servers, in this order; each sees what those before it changed."),
	CONF_RECORDS(mta_conf, submission_milters, conf_milter, milter_fields,
	        "Milters that see mail which users submit."),
	CONF_RECORDS(mta_conf, lmtp_milters, conf_milter, milter_fields, "Milters that see mail which comes in over LMTP."),
};
/* clang-format on */

const struct conf_section conf_section_mta = {
	.name = "mta",
	.help = "The SMTP front end.",
	.offset = offsetof(struct conf, mta),
	.items = items,
	.n = ARRAY_SIZE(items),
};
