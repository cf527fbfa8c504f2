/* An original below what answers or forwards it: the lines that say whose it is, and its text. Pure. */
#ifndef POD_IMAPD_EAS_SEND_QUOTE_H
#define POD_IMAPD_EAS_SEND_QUOTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "imapd/eas/send/parts.h"

struct quoted {
	const struct message_parts *original;
	struct span text, html; /* its texts in UTF-8; html.p NULL: it has none */
	bool marked;            /* lines get "> ", as a reply has it */
};

/* The texts of the original, each made of the other where there is but one. -POD_E_NOTFOUND: it has none;
 * -POD_E_NOMEM. */
typedef int html_to_text_fn(struct arena *a, struct span html, struct span *ret_text);
int quoted_of(struct arena *a, const struct message_parts *original, bool marked,
              html_to_text_fn *html_to_text, struct quoted *ret);

/* What follows a plain text, and what an HTML text. */
void quote_as_text(struct arena *a, const struct quoted *q, struct buf *out);
void quote_as_html(struct arena *a, const struct quoted *q, struct buf *out);
/* An HTML text with `quote` in it, before its body ends. */
void quote_into_html(struct span html, struct span quote, struct buf *out);

#endif
