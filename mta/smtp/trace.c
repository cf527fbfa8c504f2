/* The fields a message gets on its way through: RFC 5321 4.4, RFC 3848, RFC 6531 4.3, RFC 6409 section 8. */
#include "mta/smtp/internal.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "mime/date.h"

static void add_protocol(struct buf *b, const struct smtp_session *s)
{
	const char *base = smtp_is_lmtp(s) ? "LMTP" : "SMTP";

	if (s->mail.utf8)
		buf_printf(b, "UTF8%s", base);
	else
		buf_printf(b, "%s%s", !smtp_is_lmtp(s) && s->esmtp ? "E" : "", base);
	if (s->esmtp && *s->tls)
		buf_add_byte(b, 'S');
	if (s->esmtp && *s->user)
		buf_add_byte(b, 'A');
}

const char *smtp_session_protocol(const struct smtp_session *s, char *buf, size_t size)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	add_protocol(&b, s);
	(void) snprintf(buf, size, "%s", buf_str(&b));
	return buf;
}

static void add_from(struct buf *b, const struct smtp_session *s)
{
	const char *a = s->peer.address;

	if (s->set->hide_client && *s->user) {
		buf_add_str(b, "Received: from submission");
		return;
	}
	buf_printf(b, "Received: from %s", s->helo);
	if (*a)
		buf_printf(b, " (%s%s[%s%s])", s->peer.name ? s->peer.name : "", s->peer.name ? " " : "",
		           strchr(a, ':') ? "IPv6:" : "", a);
}

static struct span keep(const struct smtp_session *s, const struct buf *b)
{
	return b->failed ? SPAN_NONE : arena_dup(s->arena, buf_span(b));
}

struct span smtp_trace_fields(const struct smtp_session *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const struct smtp_mail *m = &s->mail;
	char date[DATE_RFC5322_SIZE];

	buf_printf(&b, "Return-Path: <" SPAN_FMT ">\r\n", SPAN_ARG(m->sender));
	add_from(&b, s);
	buf_printf(&b, "\r\n\tby %s (podmail) with ", s->set->hostname);
	add_protocol(&b, s);
	if (*s->tls)
		buf_printf(&b, " (%s)", s->tls);
	buf_printf(&b, "\r\n\tid %s", m->trace);
	/* With several recipients this field would tell each of the others (RFC 5321 7.2). */
	if (m->n_rcpts == 1)
		buf_printf(&b, "\r\n\tfor <" SPAN_FMT ">", SPAN_ARG(m->rcpts[0]->address));
	buf_printf(&b, ";\r\n\t%s\r\n", date_format_rfc5322((struct mail_date){ s->now_s, 0 }, date, sizeof(date)));
	return keep(s, &b);
}

struct span smtp_missing_fields(const struct smtp_session *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char date[DATE_RFC5322_SIZE];

	if (s->set->service != SMTP_SERVICE_SUBMISSION)
		return SPAN_NONE;
	if (!s->scan.has_date)
		buf_printf(&b, "Date: %s\r\n",
		           date_format_rfc5322((struct mail_date){ s->now_s, 0 }, date, sizeof(date)));
	if (!s->scan.has_message_id)
		buf_printf(&b, "Message-ID: <%s@%s>\r\n", s->mail.trace, s->set->hostname);
	return keep(s, &b);
}
