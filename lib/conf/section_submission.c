#include "conf/submission.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_BOOL(submission_conf, enforce_senders, "yes",
	        "Whether users may send only from addresses of theirs, in the envelope and in From: their own, "
	        "aliases that lead to them, and those they were granted (podctl user grant-send-as)."),
	CONF_BOOL(submission_conf, hide_client_address, "no",
	        "Whether the Received field of a user's message leaves out the address it came from."),
	CONF_COUNT(submission_conf, messages_per_hour, "300", "0", "1000000000",
	        "Most messages of one user in an hour; 0: any number. What podctl user set says about a user "
	        "goes before these four."),
	CONF_COUNT(submission_conf, messages_per_day, "2000", "0", "1000000000", "The same in 24 hours."),
	CONF_COUNT(submission_conf, recipients_per_hour, "3000", "0", "1000000000",
	        "Most recipients of a user's messages in an hour; 0: any number."),
	CONF_COUNT(submission_conf, recipients_per_day, "10000", "0", "1000000000", "The same in 24 hours."),
	CONF_TIME(submission_conf, undo_send, "0", "0", "1d",
	        "How long a user's message is held in the queue so that it can be taken back, for users for whom "
	        "podctl user set --undo-send says nothing; 0: it is sent at once."),
	CONF_TIME(submission_conf, future_release_max, "30d", "0", "365d",
	        "How long a user may have a message held before it is sent (FUTURERELEASE, RFC 4865); 0: it is "
	        "not offered."),
	CONF_COUNT(submission_conf, priority_user_max, "4", "0", "9",
	        "Highest priority (MT-PRIORITY, RFC 6710) users may give their messages; strangers may lower a "
	        "message's, not raise it."),
};
/* clang-format on */

const struct conf_section conf_section_submission = {
	.name = "submission",
	.help = "What users may send through the mta.",
	.offset = offsetof(struct conf, submission),
	.items = items,
	.n = ARRAY_SIZE(items),
};
