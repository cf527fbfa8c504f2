#include "mta/queue/report.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "mime/date.h"
#include "mta/smtp/smtp.h"

#define HEADER_MAX (64u << 10)
#define FULL_MAX   (256u << 10) /* a larger message is returned as its header, whatever RET says */
#define TEXT_MAX   180          /* of what a store said, in one line */

static const struct {
	const char *action, *subject, *text;
	unsigned int notify;
	char status_class;
} kinds[] = {
	[REPORT_FAILED] = { "failed", "Undelivered mail returned to sender",
	                    "Your message could not be delivered to these recipients:", SMTP_NOTIFY_FAILURE,
	                    '5' },
	[REPORT_DELAYED] = { "delayed", "Mail delivery is delayed",
	                     "Your message could not be delivered yet. It is tried again; there is nothing "
	                     "to do for you:",
	                     SMTP_NOTIFY_DELAY, '4' },
	[REPORT_RELAYED] = { "relayed", "Mail was relayed",
	                     "Your message was passed on to a server that will not tell what becomes of it:",
	                     SMTP_NOTIFY_SUCCESS, '2' },
	[REPORT_EXPANDED] = { "expanded", "Mail was passed on to a list",
	                      "Your message was passed on to the members of:", SMTP_NOTIFY_SUCCESS, '2' },
	[REPORT_DELIVERED] = { "delivered", "Mail was delivered",
	                       "Your message was delivered, as you wished to know:", SMTP_NOTIFY_SUCCESS,
	                       '2' },
};

bool report_is_wanted(const Queue__Item *item, const Queue__Recipient *rcpt, enum report_kind kind)
{
	unsigned int notify = rcpt->notify ? rcpt->notify : SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;

	return *item->sender && (notify & kinds[kind].notify);
}

const char *report_status(int code, enum report_kind kind, char *buf, size_t size)
{
	const char *e = smtp_status_of(code).enhanced;

	if (kinds[kind].status_class == '2')
		e = "2.0.0";
	(void) snprintf(buf, size, "%c%s", kinds[kind].status_class, e + 1);
	return buf;
}

/* Words of a store or a peer in one header line: no line ends, bounded. */
static void add_line_text(struct buf *out, const char *text)
{
	for (size_t i = 0; text[i] && i < TEXT_MAX; i++)
		buf_add_byte(out, (uint8_t) text[i] < ' ' || text[i] == 0x7f ? ' ' : (uint8_t) text[i]);
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] & 0x80)
			return false;
	return true;
}

/* xtext undone (RFC 3461 section 4), for Original-Envelope-Id and Original-Recipient. */
static void add_from_xtext(struct buf *out, const char *xtext)
{
	for (const char *p = xtext; *p; p++) {
		unsigned int c;

		if (*p == '+' && sscanf(p + 1, "%2X", &c) == 1 && p[1] && p[2]) {
			buf_add_byte(out, c < ' ' || c > '~' ? '?' : (uint8_t) c);
			p += 2;
		} else {
			buf_add_byte(out, (uint8_t) *p);
		}
	}
}

static void add_head(const struct report *rep, struct buf *out, const char *boundary, bool utf8)
{
	char date[DATE_RFC5322_SIZE];
	enum report_kind kind = rep->lines[0].kind;

	(void) date_format_rfc5322((struct mail_date){ rep->now_s, 0 }, date, sizeof(date));
	buf_printf(out, "Return-Path: <>\r\nReceived: by %s (podmail)\r\n\tid %s; %s\r\n", rep->hostname,
	           rep->trace, date);
	buf_printf(out, "Date: %s\r\nFrom: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <%s>\r\n", date,
	           rep->hostname, rep->item->sender);
	buf_printf(out, "Subject: %s\r\nMessage-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\n",
	           kinds[kind].subject, rep->trace, rep->hostname);
	buf_printf(out,
	           "MIME-Version: 1.0\r\nContent-Type: multipart/report; "
	           "report-type=%sdelivery-status;\r\n\tboundary=\"%s\"\r\n\r\n",
	           utf8 ? "global-" : "", boundary);
}

static void add_words(const struct report *rep, struct buf *out, const char *boundary)
{
	buf_printf(
		out,
		"--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		boundary);
	buf_printf(out, "This is the mail system at %s.\r\n", rep->hostname);
	for (size_t i = 0; i < rep->n; i++) {
		if (i == 0 || rep->lines[i].kind != rep->lines[i - 1].kind)
			buf_printf(out, "\r\n%s\r\n\r\n", kinds[rep->lines[i].kind].text);
		buf_printf(out, "  <%s>", rep->lines[i].rcpt->original);
		if (rep->lines[i].kind != REPORT_DELIVERED) {
			buf_add_str(out, ": ");
			add_line_text(out, rep->lines[i].rcpt->text);
		}
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "\r\nIts id here was %s.\r\n\r\n", rep->item->trace);
}

static void add_recipient(struct buf *out, const struct report_line *line)
{
	const Queue__Recipient *r = line->rcpt;
	char status[8];

	buf_add_str(out, "\r\n");
	if (*r->orcpt) {
		buf_add_str(out, "Original-Recipient: ");
		add_from_xtext(out, r->orcpt);
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n",
	           is_ascii(span_of(r->original)) ? "rfc822" : "utf-8", r->original, kinds[line->kind].action,
	           report_status((int) r->code, line->kind, status, sizeof(status)));
	if (line->kind != REPORT_DELIVERED && *r->text) {
		buf_add_str(out, "Diagnostic-Code: x-podmail; ");
		add_line_text(out, r->text);
		buf_add_str(out, "\r\n");
	}
}

static void add_status(const struct report *rep, struct buf *out, const char *boundary, bool utf8)
{
	char date[DATE_RFC5322_SIZE];

	buf_printf(out, "--%s\r\nContent-Type: message/%sdelivery-status\r\n\r\n", boundary,
	           utf8 ? "global-" : "");
	if (*rep->item->envid) {
		buf_add_str(out, "Original-Envelope-Id: ");
		add_from_xtext(out, rep->item->envid);
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", rep->hostname,
	           date_format_rfc5322((struct mail_date){ rep->item->arrived_s, 0 }, date, sizeof(date)));
	for (size_t i = 0; i < rep->n; i++)
		add_recipient(out, &rep->lines[i]);
	buf_add_str(out, "\r\n");
}

static int read_start(int fd, size_t max, struct buf *out, struct err *err)
{
	while (out->len < max) {
		uint8_t *to = buf_reserve(out, max - out->len);
		ssize_t n = to ? pread(fd, to, max - out->len, (off_t) out->len) : 0;

		if (!to)
			return err_set(err, POD_E_NOMEM, "no memory for a delivery report");
		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "reading a message to report on");
		if (n == 0)
			break;
		if (n > 0)
			out->len += (size_t) n;
	}
	return 0;
}

/* Up to and with the last whole line before the empty one. */
static struct span header_of(struct span message)
{
	size_t end = span_find(message, SPAN_LIT("\r\n\r\n"));

	if (end != SIZE_MAX)
		return span_head(message, end + 2);
	while (message.len && message.p[message.len - 1] != '\n')
		message.len--;
	return message;
}

static int add_original(const struct report *rep, struct buf *out, const char *boundary)
{
	_cleanup_buf_ struct buf message = BUF_INIT;
	bool full = rep->item->ret_full && rep->item->size <= FULL_MAX && rep->lines[0].kind == REPORT_FAILED;
	struct err err = { 0 };
	int r = read_start(rep->body_fd, full ? FULL_MAX : HEADER_MAX, &message, &err);
	struct span s = full ? buf_span(&message) : header_of(buf_span(&message));

	if (r < 0)
		return r;
	buf_printf(out, "--%s\r\nContent-Type: %s\r\n", boundary,
	           full ? "message/rfc822" : "text/rfc822-headers");
	if (!is_ascii(s))
		buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_str(out, "\r\n");
	buf_add(out, s);
	if (s.len < 2 || s.p[s.len - 1] != '\n')
		buf_add_str(out, "\r\n");
	return 0;
}

int report_write(const struct report *rep, struct buf *out, struct err *err)
{
	char boundary[64];
	bool utf8 = !is_ascii(span_of(rep->item->sender));
	int r;

	for (size_t i = 0; i < rep->n; i++)
		utf8 = utf8 || !is_ascii(span_of(rep->lines[i].rcpt->original));
	(void) snprintf(boundary, sizeof(boundary), "report-%s", rep->trace);
	add_head(rep, out, boundary, utf8);
	add_words(rep, out, boundary);
	add_status(rep, out, boundary, utf8);
	r = add_original(rep, out, boundary);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	if (r == 0 && out->failed)
		r = -POD_E_NOMEM;
	return r < 0 ? err_set(err, (enum pod_error) - r, "a delivery report on %s", rep->item->trace) : 0;
}
