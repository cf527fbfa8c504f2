/* HTML and plain text made of one another. libxml2's HTML parser sits behind this header. Pure. */
#ifndef POD_IMAPD_EAS_ITEM_HTML_H
#define POD_IMAPD_EAS_ITEM_HTML_H

#include "base/arena.h"
#include "base/buf.h"

/* Of longer HTML only so much is read; it takes two seconds at most. Mail that long is not accepted by
 * default. */
#define EAS_HTML_READ_MAX (64u << 20)

/*
 * Appends what a reader sees: blocks as lines (CRLF), lists with marks, quotations behind "> ", links with
 * their target where the text does not say it. html is UTF-8, whatever it says of itself. out->failed where
 * memory is out.
 */
void eas_html_to_text(struct span html, struct buf *out);

/* Appends text as the inside of a body element: characters escaped, lines and indents kept. */
void eas_text_to_html(struct span text, struct buf *out);

/* The document around such an inside; what is between is the caller's. */
#define EAS_HTML_HEAD \
	"<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>"
#define EAS_HTML_TAIL "</body></html>"

/* The HTML with every charset that it claims in a meta element changed to utf-8, which it is by now. In a. */
struct span eas_html_claim_utf8(struct arena *a, struct span html);

/*
 * The HTML without what it quotes of earlier messages, as far as the marks of common mail programs tell
 * (MS-ASAIRS BodyPart: the part that is new in the conversation). A head of html.
 */
struct span eas_html_unquoted(struct span html);

#endif
