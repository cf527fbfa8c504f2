/*
 * What the parts of a message are for: which are its body, which are attachments, whether there is an
 * invitation, a signature, a report. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_LAYOUT_H
#define POD_IMAPD_EAS_ITEM_LAYOUT_H

#include "imapd/eas/item/structure.h"

/* A piece of the body: the same text in one form or in both. EAS_NO_PART where there is none. */
struct eas_segment {
	uint32_t text, html;
	bool continued; /* a further part of an alternative: the other form of it is in an earlier segment */
};

enum eas_protection {
	EAS_PLAIN,
	EAS_SIGNED, /* multipart/signed with an S/MIME signature */
	EAS_SMIME,  /* application/pkcs7-mime: encrypted, or signed and wrapped up */
};

struct eas_layout {
	struct eas_structure parts;
	struct eas_segment *segments;
	uint32_t segments_n;
	uint32_t *attachments;
	uint32_t attachments_n;
	uint32_t calendar; /* a text/calendar part that is an iMIP message (RFC 6047) */
	uint32_t report; /* message/delivery-status or message/disposition-notification in a multipart/report
	                  */
	enum eas_protection protection;
	bool html; /* the body is HTML by itself */
};

/* As eas_structure_read. An empty text is a message of one text part. */
int eas_layout_read(struct arena *a, struct span bodystructure, struct eas_layout *ret_layout);

/* A file name for an attachment, whether it has one or not, UTF-8; in a. */
struct span eas_attachment_name(struct arena *a, const struct eas_part *part);
/* It is shown inside the body, which refers to it by its Content-ID. */
bool eas_attachment_is_inline(const struct eas_layout *l, const struct eas_part *part);

#endif
