#include "mta/queue/report.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mime/date.h"
#include "mta/smtp/smtp.h"

#define HEADER_MAX (64u << 10)
#define FULL_MAX   (256u << 10) /* a larger message is returned as its header, whatever RET says */
#define TEXT_MAX   180          /* of what a store said, in one line */

static const struct {
	const char *action;
	unsigned int notify;
	char status_class;
} kinds[] = {
	[REPORT_FAILED] = { "failed", SMTP_NOTIFY_FAILURE, '5' },
	[REPORT_DELAYED] = { "delayed", SMTP_NOTIFY_DELAY, '4' },
	[REPORT_DELIVERED] = { "delivered", SMTP_NOTIFY_SUCCESS, '2' },
	[REPORT_RELAYED] = { "relayed", SMTP_NOTIFY_SUCCESS, '2' },
	[REPORT_EXPANDED] = { "expanded", SMTP_NOTIFY_SUCCESS, '2' },
};

bool report_is_wanted(const Queue__Item *item, const Queue__Recipient *rcpt, enum report_kind kind)
{
	unsigned int notify = rcpt->notify ? rcpt->notify : SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;

	return *item->sender && (notify & kinds[kind].notify);
}

const char *report_status(const Queue__Recipient *r, enum report_kind kind, char *buf, size_t size)
{
	const char *e = *r->status ? r->status : smtp_status_of((int) r->code).enhanced;

	if (kinds[kind].status_class == '2')
		e = kind == REPORT_DELIVERED ? "2.1.5" : "2.0.0";
	(void) snprintf(buf, size, "%c%s", kinds[kind].status_class, e + 1);
	return buf;
}

static bool has_reason(enum report_kind kind)
{
	return kind == REPORT_FAILED || kind == REPORT_DELAYED;
}

/* Words of a store or a peer in one header line: no line ends, bounded. */
static void add_line_text(struct buf *out, const char *text, bool utf8)
{
	for (size_t i = 0; text[i] && i < TEXT_MAX; i++) {
		uint8_t c = (uint8_t) text[i];

		buf_add_byte(out, c < ' ' || c == 0x7f ? ' ' : c > 0x7f && !utf8 ? '?' : c);
	}
}

static const char *to_of(const struct report *rep)
{
	return rep->to ? rep->to : rep->item->sender;
}

static void add_head(const struct report *rep, struct buf *out, const char *boundary, bool utf8)
{
	char date[DATE_RFC5322_SIZE];
	enum report_kind kind = rep->lines[0].kind;

	(void) date_format_rfc5322((struct mail_date){ rep->now_s, 0 }, date, sizeof(date));
	buf_printf(out, "Return-Path: <>\r\nReceived: by %s (podmail)\r\n\tid %s; %s\r\n", rep->hostname, rep->trace, date);
	buf_printf(out, "Date: %s\r\nFrom: ", date);
	report_add_words(out, rep->words->from);
	buf_printf(out, " <MAILER-DAEMON@%s>\r\nTo: <%s>\r\nSubject: ", rep->hostname, to_of(rep));
	report_add_words(out, rep->words->kinds[kind].subject);
	buf_printf(out, "\r\nMessage-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\n", rep->trace, rep->hostname);
	buf_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=%sdelivery-status;\r\n\tboundary=\"%s\"\r\n\r\n",
	           utf8 ? "global-" : "", boundary);
}

/* A pattern of the table with its one %s. */
static void add_pattern(struct buf *out, const char *pattern, const char *value)
{
	struct span after, before = span_split(span_of(pattern), '%', &after);

	buf_add(out, before);
	buf_add_str(out, value);
	buf_add(out, span_skip(after, 1));
}

static void add_lines(const struct report *rep, struct buf *text)
{
	for (size_t i = 0; i < rep->n; i++) {
		const struct report_line *l = &rep->lines[i];

		if (i == 0 || l->kind != rep->lines[i - 1].kind)
			buf_printf(text, "\n%s\n\n", rep->words->kinds[l->kind].text);
		buf_printf(text, "  <%s>", l->rcpt->original);
		if (has_reason(l->kind)) {
			buf_add_str(text, ": ");
			add_line_text(text, l->rcpt->text, true);
		}
		buf_add_str(text, "\n");
	}
}

static bool is_late(const struct report *rep)
{
	for (size_t i = 0; i < rep->n; i++)
		if (rep->lines[i].kind == REPORT_DELAYED)
			return rep->until_s != 0;
	return false;
}

static void add_words(const struct report *rep, struct buf *out, const char *boundary)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char date[DATE_RFC5322_SIZE];

	add_pattern(&text, rep->words->intro, rep->hostname);
	buf_add_str(&text, "\n");
	add_lines(rep, &text);
	buf_add_str(&text, "\n");
	if (is_late(rep)) {
		add_pattern(&text, rep->words->until,
		            date_format_rfc5322((struct mail_date){ rep->until_s, 0 }, date, sizeof(date)));
		buf_add_str(&text, "\n");
	}
	add_pattern(&text, rep->words->id, rep->item->trace);
	buf_add_str(&text, "\n\n");
	out->failed = out->failed || text.failed;
	buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Language: %s\r\n", boundary,
	           rep->words->language);
	buf_add_str(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	report_add_quoted(out, buf_span(&text));
}

static void add_diagnostic(struct buf *out, const Queue__Recipient *r, bool utf8)
{
	if (*r->remote)
		buf_printf(out, "Remote-MTA: dns; %s\r\n", r->remote);
	if (!*r->text)
		return;
	if (r->reply)
		buf_printf(out, "Diagnostic-Code: smtp; %u %s%s", r->reply, r->status, *r->status ? " " : "");
	else
		buf_add_str(out, "Diagnostic-Code: x-podmail; ");
	add_line_text(out, r->text, utf8);
	buf_add_str(out, "\r\n");
}

/* RFC 3464 2.3, RFC 6533 3 for addresses that are not ASCII. */
static void add_recipient(const struct report *rep, struct buf *out, const struct report_line *line, bool utf8)
{
	const Queue__Recipient *r = line->rcpt;
	char status[16], date[DATE_RFC5322_SIZE];

	buf_add_str(out, "\r\n");
	if (*r->orcpt) {
		buf_add_str(out, "Original-Recipient: ");
		report_add_from_xtext(out, r->orcpt);
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n",
	           report_is_ascii(span_of(r->original)) ? "rfc822" : "utf-8", r->original, kinds[line->kind].action,
	           report_status(r, line->kind, status, sizeof(status)));
	if (has_reason(line->kind))
		add_diagnostic(out, r, utf8);
	else if (line->kind == REPORT_RELAYED && *r->remote)
		buf_printf(out, "Remote-MTA: dns; %s\r\n", r->remote);
	if (line->kind == REPORT_DELAYED && rep->until_s)
		buf_printf(out, "Will-Retry-Until: %s\r\n",
		           date_format_rfc5322((struct mail_date){ rep->until_s, 0 }, date, sizeof(date)));
}

static void add_status(const struct report *rep, struct buf *out, const char *boundary, bool utf8)
{
	char date[DATE_RFC5322_SIZE];

	buf_printf(out, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", boundary, utf8 ? "global-" : "",
	           utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	if (*rep->item->envid) {
		buf_add_str(out, "Original-Envelope-Id: ");
		report_add_from_xtext(out, rep->item->envid);
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", rep->hostname,
	           date_format_rfc5322((struct mail_date){ rep->item->arrived_s, 0 }, date, sizeof(date)));
	for (size_t i = 0; i < rep->n; i++)
		add_recipient(rep, out, &rep->lines[i], utf8);
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

static const char *type_of(bool full, bool ascii)
{
	if (full)
		return ascii ? "message/rfc822" : "message/global";
	return ascii ? "text/rfc822-headers" : "message/global-headers";
}

/* A header with UTF-8 is one of RFC 6533's types; what else is not ASCII is the body of a whole message. */
static int add_original(const struct report *rep, struct buf *out, const char *boundary)
{
	_cleanup_buf_ struct buf message = BUF_INIT;
	bool full = rep->item->ret_full && rep->item->size <= FULL_MAX && rep->lines[0].kind == REPORT_FAILED;
	struct err err = { 0 };
	int r = read_start(rep->body_fd, full ? FULL_MAX : HEADER_MAX, &message, &err);
	struct span header = header_of(buf_span(&message)), s = full ? buf_span(&message) : header;

	if (r < 0)
		return r;
	buf_printf(out, "--%s\r\nContent-Type: %s\r\n", boundary, type_of(full, report_is_ascii(header)));
	if (!report_is_ascii(s))
		buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_str(out, "\r\n");
	buf_add(out, s);
	if (s.len < 2 || s.p[s.len - 1] != '\n')
		buf_add_str(out, "\r\n");
	return 0;
}

int report_write(const struct report *rep, struct buf *out, bool *ret_utf8, bool *ret_body8, struct err *err)
{
	char boundary[64];
	bool utf8 = !report_is_ascii(span_of(to_of(rep)));
	int r;

	*ret_utf8 = utf8;
	for (size_t i = 0; i < rep->n; i++)
		utf8 = utf8 || !report_is_ascii(span_of(rep->lines[i].rcpt->original));
	(void) snprintf(boundary, sizeof(boundary), "report-%s", rep->trace);
	add_head(rep, out, boundary, utf8);
	add_words(rep, out, boundary);
	add_status(rep, out, boundary, utf8);
	r = add_original(rep, out, boundary);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	if (r == 0 && out->failed)
		r = -POD_E_NOMEM;
	*ret_body8 = !report_is_ascii(buf_span(out));
	return r < 0 ? err_set(err, (enum pod_error) -r, "a delivery report on %s", rep->item->trace) : 0;
}
