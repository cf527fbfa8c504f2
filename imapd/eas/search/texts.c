#include "imapd/eas/search/texts.h"

#include "imapd/eas/item/headers.h"
#include "imapd/eas/item/layout.h"
#include "imapd/imap/search_text.h"

int search_texts_of(struct arena *a, struct span header, struct span bodystructure,
                    struct search_texts *ret_texts)
{
	struct search_texts t = { .has_body = false };
	struct eas_layout layout;
	struct eas_headers h;
	int r = eas_headers_read(a, header, &h);

	if (r < 0)
		return r;
	r = eas_layout_read(a, bodystructure, &layout);
	if (r == -POD_E_NOMEM)
		return r;
	t.has_attachments = r == 0 && layout.attachments_n > 0;
	t.from = search_text_fold(a, h.from);
	t.to = search_text_fold(a, h.to);
	t.cc = search_text_fold(a, h.cc);
	t.bcc = search_text_fold(a, h.bcc);
	t.subject = search_text_fold(a, h.subject);
	if (!t.from.p || !t.to.p || !t.cc.p || !t.bcc.p || !t.subject.p)
		return -POD_E_NOMEM;
	*ret_texts = t;
	return 0;
}
