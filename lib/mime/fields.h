/* The header fields that podmail knows by name, found by one look-up. Internal to lib/mime. */
#ifndef POD_MIME_FIELDS_H
#define POD_MIME_FIELDS_H

#include "base/span.h"

enum field_id {
	/* what BODYSTRUCTURE shows of each part */
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_TRANSFER_ENCODING,
	FIELD_CONTENT_ID,
	FIELD_CONTENT_DESCRIPTION,
	FIELD_CONTENT_MD5,
	FIELD_CONTENT_DISPOSITION,
	FIELD_CONTENT_LANGUAGE,
	FIELD_CONTENT_LOCATION,
	FIELD_PART_END,
	/* what ENVELOPE shows of a message */
	FIELD_DATE = FIELD_PART_END,
	FIELD_SUBJECT,
	FIELD_FROM,
	FIELD_SENDER,
	FIELD_REPLY_TO,
	FIELD_TO,
	FIELD_CC,
	FIELD_BCC,
	FIELD_IN_REPLY_TO,
	FIELD_MESSAGE_ID,
	FIELD_MESSAGE_END,
	/*
	 * asked for by clients in their lists of messages, so kept in mime_summary.headers; so are
	 * all above
	 */
	FIELD_OTHER_CACHED = FIELD_MESSAGE_END,
	FIELD_UNKNOWN,
};

enum field_id field_lookup(struct span name);

#endif
