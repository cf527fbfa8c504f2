/*
 * What a client wants to see of an item: the Options of Sync, ItemOperations and Search that are about bodies
 * (MS-ASAIRS BodyPreference and BodyPartPreference, MS-ASCMD MIMESupport, MIMETruncation, Truncation). Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_OPTIONS_H
#define POD_IMAPD_EAS_ITEM_OPTIONS_H

#include "base/buf.h"
#include "imapd/eas/wbxml/wbxml.h"

enum eas_body_type {
	EAS_BODY_TEXT = 1,
	EAS_BODY_HTML = 2,
	EAS_BODY_RTF = 3, /* taken, never chosen: no mail is kept as RTF */
	EAS_BODY_MIME = 4,
};
#define EAS_BODY_TYPES 4

#define EAS_UNLIMITED   UINT64_MAX
#define EAS_PREVIEW_MAX 255u

struct eas_body_preference {
	bool wanted;
	bool all_or_none;
	uint16_t preview;    /* characters; 0: none */
	uint64_t truncation; /* bytes; EAS_UNLIMITED */
};

enum eas_mime_support { EAS_MIME_NEVER, EAS_MIME_SIGNED, EAS_MIME_ALWAYS, EAS_MIME_UNSAID };

/* A plain value: may be copied, and kept with eas_item_options_pack. */
struct eas_item_options {
	unsigned int version;                                /* 25, 120, 121, 140, 141, 160, 161 */
	struct eas_body_preference body[EAS_BODY_TYPES + 1]; /* by enum eas_body_type */
	struct eas_body_preference part;                     /* BodyPart, always HTML; 14.1 */
	enum eas_mime_support mime_support;
	uint64_t mime_truncation; /* bytes; EAS_UNLIMITED */
	uint64_t truncation;      /* of a 2.5 body, bytes; EAS_UNLIMITED */
	bool whole_by_default; /* without a preference the whole text is sent (ItemOperations), not its size
	                          alone */
};

/* Nothing was said: no bodies. */
void eas_item_options_init(struct eas_item_options *o, unsigned int version);

/* What a command answers that got bad options: MS-ASCMD 2.2.2, of Sync's and ItemOperations' own tables. */
#define EAS_STATUS_BODY_PART_TYPE 164

/*
 * Reads what an Options element (or several: call it for each) says on top of what *o holds. Elements of
 * others (FilterType, Conflict...) are passed over. 0; -POD_E_SYNTAX: a value that is none, or a type twice;
 * -POD_E_UNSUPPORTED: a BodyPartPreference of a type that is not HTML (status 164).
 */
int eas_item_options_read(const struct wbxml_node *options, struct eas_item_options *o);

/* Whether some body, or a part of it, is asked for. */
bool eas_item_options_want_body(const struct eas_item_options *o);

/* The form that is kept in a state (versioned), and back; -POD_E_CORRUPT. The protocol's version is not in
 * it. */
void eas_item_options_pack(const struct eas_item_options *o, struct buf *out);
#define EAS_ITEM_OPTIONS_PACKED_MAX 96
/* Takes them off *in, which may go on. */
int eas_item_options_unpack(struct span *in, unsigned int version, struct eas_item_options *ret_options);

#endif
