/* RFC 6047 4.3: the answer as text and as an iCalendar object, of which clients show one. */
#include "base/cleanup.h"
#include "imapd/eas/meeting/internal.h"
#include "imapd/eas/send/encode.h"
#include "imapd/eas/send/words.h"

static void put_part(struct buf *out, const struct meeting_mail *m, const char *subtype, const char *params,
                     struct span text)
{
	_cleanup_buf_ struct buf fields = BUF_INIT, body = BUF_INIT;

	encode_text(&fields, &body, subtype, params, text);
	buf_printf(out, "--%s\r\n", m->boundary);
	buf_add(out, buf_span(&fields));
	buf_add_str(out, "\r\n");
	buf_add(out, buf_span(&body));
	buf_add_str(out, "\r\n");
	out->failed = out->failed || fields.failed || body.failed;
}

static void put_header(struct buf *out, const struct meeting_mail *m)
{
	static const char *const words[] = {
		[EAS_RESPONSE_ACCEPT] = "Accepted: ",
		[EAS_RESPONSE_TENTATIVE] = "Tentative: ",
		[EAS_RESPONSE_DECLINE] = "Declined: ",
	};

	buf_printf(out, "From: <%s>\r\nTo: ", m->from);
	if (m->to_name.len)
		words_put_phrase(out, m->to_name);
	buf_printf(out, " <" SPAN_FMT ">\r\nSubject: %s", SPAN_ARG(m->to), words[m->response]);
	words_put_text(out, m->summary);
	buf_printf(out,
	           "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
	           m->boundary);
}

void meeting_mail_write(const struct meeting_mail *m, struct buf *out)
{
	_cleanup_buf_ struct buf params = BUF_INIT;

	buf_printf(&params, "method=%s", m->method);
	put_header(out, m);
	put_part(out, m, "plain", "", m->text);
	if (m->html.p)
		put_part(out, m, "html", "", m->html);
	put_part(out, m, "calendar", buf_str(&params), m->calendar);
	buf_printf(out, "--%s--\r\n", m->boundary);
	out->failed = out->failed || params.failed;
}
