#include "mta/queue/auto_reply.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mta/queue/own_mail.h"
#include "mta/queue/report.h"
#include "mta/service/metrics.h"
#include "mta/smtp/smtp.h"

#define ARENA_MAX      (4u << 20)
#define SUBJECT_MAX    500
#define REFERENCES_MAX 4000

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

/* phrase = quoted-string / encoded words */
static void put_name(struct buf *out, const char *name)
{
	if (!is_ascii(name)) {
		report_add_words(out, name);
		buf_add_byte(out, ' ');
		return;
	}
	if (!*name)
		return;
	buf_add_byte(out, '"');
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, (uint8_t) *name);
	}
	buf_add_str(out, "\" ");
}

/* RFC 3834 3.1.5: "Auto:" and what it answers. */
static int put_subject(struct arena *a, struct span subject, struct buf *out)
{
	struct span words = mime_decode_text(a, span_head(subject, SUBJECT_MAX));
	char *text = arena_str(a, words);

	if (!text)
		return -POD_E_NOMEM;
	for (char *p = text; *p; p++)
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			*p = ' ';
	buf_add_str(out, "Subject: Auto: ");
	report_add_words(out, text);
	buf_add_str(out, "\r\n");
	return 0;
}

/* RFC 5322 3.6.4; RFC 3834 3.1.6. Printable bytes only: they are a stranger's. */
static void put_ids(struct buf *out, const char *name, struct span before, struct span ids)
{
	size_t column = 0;

	if (!ids.len)
		return;
	if (before.len > REFERENCES_MAX)
		before = SPAN_NONE;
	buf_printf(out, "%s:", name);
	for (int i = 0; i < 2; i++) {
		struct span rest = i ? ids : before;

		while (rest.len) {
			struct span one = span_trim(span_split(rest, ' ', &rest));

			if (!one.len)
				continue;
			buf_add_str(out, column ? "\r\n " : " ");
			for (size_t k = 0; k < one.len; k++)
				buf_add_byte(out, one.p[k] > ' ' && one.p[k] < 0x7f ? one.p[k] : '?');
			column++;
		}
	}
	buf_add_str(out, "\r\n");
}

int auto_reply_write(const struct deliver_reply *r, const char *trace, const char *hostname, int64_t now_s,
                     struct buf *out)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	char date[DATE_RFC5322_SIZE];

	if (!a)
		return -POD_E_NOMEM;
	(void) date_format_rfc5322((struct mail_date){ now_s, 0 }, date, sizeof(date));
	buf_printf(out, "Return-Path: <>\r\nReceived: by %s (podmail)\r\n\tid %s; %s\r\nDate: %s\r\nFrom: ",
	           hostname, trace, date, date);
	put_name(out, r->name);
	buf_printf(out, "<%s>\r\nTo: <" SPAN_FMT ">\r\n", r->from, SPAN_ARG(r->to));
	if (put_subject(a, r->subject, out) < 0)
		return -POD_E_NOMEM;
	buf_printf(out, "Message-ID: <%s@%s>\r\n", trace, hostname);
	put_ids(out, "In-Reply-To", SPAN_NONE, span_head(r->message_id, REFERENCES_MAX));
	put_ids(out, "References", r->references, span_head(r->message_id, REFERENCES_MAX));
	buf_printf(
		out,
		"Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		r->html ? "html" : "plain");
	report_add_quoted(out, span_of(r->text));
	buf_add_str(out, "\r\n");
	return out->failed ? -POD_E_NOMEM : 0;
}

/* ---- to the queue ---- */

/* Where it goes: one mailbox of ours, or another server. A list of ours gets no answers; nor does who is away
 * themselves. */
static int resolve(struct directory *dir, struct arena *a, const struct deliver_reply *r, const char *to,
                   struct directory_targets *ret)
{
	int e = own_mail_resolve(dir, a, to, ret, NULL);

	if (e < 0)
		return e;
	return ret->n != 1 || span_eq_nocase(span_of(ret->items[0].address), span_of(r->from))
	               ? -POD_E_NOTFOUND
	               : 0;
}

static bool has_eight_bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] > 127)
			return true;
	return false;
}

static void on_queued(void *arg, int code, const char *text)
{
	if (code < 0)
		log_event(NULL, LOGL_WARNING, "oof.lost", F_STR("text", text), F_CODE(code));
}

static int submit(struct queue_client *queue, struct arena *a, const struct deliver_reply *r, const char *to,
                  const struct directory_targets *targets, const char *hostname, char *trace)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct queue_call *call;
	struct own_mail mail;
	int e = auto_reply_write(r, trace, hostname, clock_wall_s(), &body);

	if (e == 0)
		e = own_mail_make_for(a, trace, to, targets, buf_span(&body), OWN_MAIL_UNSIGNED, &mail, NULL);
	if (e < 0)
		return e;
	mail.item.recipients[0]->notify = SMTP_NOTIFY_NEVER;
	mail.item.utf8 = has_eight_bit(r->to) || has_eight_bit(span_of(r->from));
	call = queue_submit(queue, &mail.submission, mail.fd, on_queued, NULL);
	own_mail_done(&mail);
	return call ? 0 : -POD_E_NOMEM;
}

void auto_reply_send(struct queue_client *queue, struct directory *dir, const char *hostname,
                     const struct deliver_reply *r)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	const char *to = a ? arena_str(a, r->to.p ? r->to : SPAN_LIT("")) : NULL;
	struct directory_targets targets;
	char trace[TRACE_ID_SIZE];
	int e = to ? resolve(dir, a, r, to, &targets) : -POD_E_NOMEM;

	trace_id_new(trace);
	if (e == 0)
		e = submit(queue, a, r, to, &targets, hostname, trace);
	if (e == 0)
		metric_add(M_AUTO_REPLIES, 1);
	if (e < 0)
		log_event(NULL, LOGL_NOTICE, "oof.unsent", F_STR("from", r->from), F_SPAN("to", r->to),
		          F_CODE(e));
	else
		log_event(NULL, LOGL_INFO, "oof.answered", F_STR("trace", trace), F_STR("from", r->from),
		          F_SPAN("to", r->to));
}
