#include "mime/fields.h"

#include "base/cleanup.h"
#include "mime/mime.h"

struct known_field {
	const char *name; /* lower-case */
	enum field_id id;
};

#define NAME_MAX_LEN 31
#define OTHER        FIELD_OTHER_CACHED

/*
 * By length of the name, so that a look-up compares two or three names and not all. Beside what ENVELOPE and
 * BODYSTRUCTURE need, this is what mutt, Thunderbird, Apple Mail, Outlook, K-9, Roundcube and mbsync name in
 * BODY.PEEK[HEADER.FIELDS (...)] when they fill their lists. Received and spam reports are long and unasked
 * for.
 */
/* clang-format off */
static const struct known_field
	len_2[]  = { { "to", FIELD_TO }, { "cc", FIELD_CC } },
	len_3[]  = { { "bcc", FIELD_BCC } },
	len_4[]  = { { "from", FIELD_FROM }, { "date", FIELD_DATE } },
	len_5[]  = { { "lines", OTHER }, { "x-ref", OTHER } },
	len_6[]  = { { "sender", FIELD_SENDER }, { "x-tuid", OTHER } },
	len_7[]  = { { "subject", FIELD_SUBJECT }, { "list-id", OTHER }, { "x-label", OTHER } },
	len_8[]  = { { "reply-to", FIELD_REPLY_TO }, { "x-mailer", OTHER }, { "priority", OTHER } },
	len_9[]  = { { "list-post", OTHER }, { "autocrypt", OTHER }, { "list-help", OTHER } },
	len_10[] = { { "message-id", FIELD_MESSAGE_ID }, { "references", OTHER }, { "user-agent", OTHER },
	             { "x-priority", OTHER }, { "importance", OTHER }, { "precedence", OTHER },
	             { "list-owner", OTHER }, { "newsgroups", OTHER }, { "x-keywords", OTHER },
	             { "x-msoesrec", OTHER }, { "content-id", FIELD_CONTENT_ID } },
	len_11[] = { { "in-reply-to", FIELD_IN_REPLY_TO }, { "return-path", OTHER }, { "x-spam-flag", OTHER },
	             { "content-md5", FIELD_CONTENT_MD5 }, { "sensitivity", OTHER } },
	len_12[] = { { "content-type", FIELD_CONTENT_TYPE }, { "mime-version", OTHER }, { "delivered-to", OTHER },
	             { "thread-topic", OTHER }, { "thread-index", OTHER }, { "list-archive", OTHER } },
	len_13[] = { { "x-original-to", OTHER }, { "mail-reply-to", OTHER } },
	len_14[] = { { "auto-submitted", OTHER }, { "list-subscribe", OTHER }, { "content-length", OTHER },
	             { "x-mailing-list", OTHER } },
	len_15[] = { { "x-ms-has-attach", OTHER } },
	len_16[] = { { "list-unsubscribe", OTHER }, { "mail-followup-to", OTHER },
	             { "content-language", FIELD_CONTENT_LANGUAGE }, { "content-location", FIELD_CONTENT_LOCATION } },
	len_17[] = { { "return-receipt-to", OTHER }, { "x-msmail-priority", OTHER }, { "x-k9mail-identity", OTHER } },
	len_19[] = { { "content-disposition", FIELD_CONTENT_DISPOSITION },
	             { "content-description", FIELD_CONTENT_DESCRIPTION } },
	len_20[] = { { "x-confirm-reading-to", OTHER } },
	len_21[] = { { "list-unsubscribe-post", OTHER } },
	len_25[] = { { "content-transfer-encoding", FIELD_CONTENT_TRANSFER_ENCODING },
	             { "x-uniform-type-identifier", OTHER } },
	len_27[] = { { "disposition-notification-to", OTHER } },
	len_31[] = { { "x-universally-unique-identifier", OTHER } };

#define LEN(n) [n] = { len_##n, ARRAY_SIZE(len_##n) }
static const struct {
	const struct known_field *fields;
	size_t n;
} by_length[NAME_MAX_LEN + 1] = {
	LEN(2),  LEN(3),  LEN(4),  LEN(5),  LEN(6),  LEN(7),  LEN(8),  LEN(9),  LEN(10), LEN(11), LEN(12), LEN(13),
	LEN(14), LEN(15), LEN(16), LEN(17), LEN(19), LEN(20), LEN(21), LEN(25), LEN(27), LEN(31),
};
/* clang-format on */

enum field_id field_lookup(struct span name)
{
	if (name.len > NAME_MAX_LEN)
		return FIELD_UNKNOWN;
	for (size_t i = 0; i < by_length[name.len].n; i++) {
		const struct known_field *f = &by_length[name.len].fields[i];

		if (ascii_lower(name.p[0]) == (uint8_t) f->name[0] &&
		    span_eq_nocase(name, span_make(f->name, name.len)))
			return f->id;
	}
	return FIELD_UNKNOWN;
}

bool mime_field_is_cached(struct span name)
{
	return field_lookup(name) != FIELD_UNKNOWN;
}
