#include "smtp/reply.h"

#include <stdio.h>

void smtp_reply_reader_init(struct smtp_reply_reader *r)
{
	*r = (struct smtp_reply_reader){ .line = { .limit = SMTP_REPLY_LINE_MAX + 1 },
		                         .text = { .limit = SMTP_REPLY_TEXT_MAX + 1 } };
}

void smtp_reply_reader_done(struct smtp_reply_reader *r)
{
	buf_done(&r->line);
	buf_done(&r->text);
}

bool smtp_reply_reader_is_idle(const struct smtp_reply_reader *r)
{
	return r->lines == 0 && r->line.len == 0;
}

static void start_over(struct smtp_reply_reader *r)
{
	buf_clear(&r->text);
	r->lines = 0;
	r->code = 0;
}

/* A line that does not fit any more is left out whole. */
static void keep_words(struct smtp_reply_reader *r, struct span words)
{
	if (r->text.len + words.len + 1 > SMTP_REPLY_TEXT_MAX)
		return;
	if (r->text.len)
		buf_add_byte(&r->text, '\n');
	for (size_t i = 0; i < words.len; i++)
		if (words.p[i] && words.p[i] != '\r')
			buf_add_byte(&r->text, words.p[i]);
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the second digit is given more freedom by servers. */
static int parse_code(struct span line, uint16_t *ret_code)
{
	uint32_t code = 0;

	if (line.len < 3 || span_to_u32(span_head(line, 3), &code) < 0 || code < 200 || code > 599)
		return -POD_E_SYNTAX;
	*ret_code = (uint16_t) code;
	return 0;
}

/*
 * Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 * 1: that was the last one.
 */
static int take_line(struct smtp_reply_reader *r, struct span line)
{
	uint16_t code;

	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	if (parse_code(line, &code) < 0 || (r->code && r->code != code))
		return -POD_E_SYNTAX;
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return -POD_E_SYNTAX;
	if (++r->lines > SMTP_REPLY_LINES_MAX)
		return -POD_E_LIMIT;
	r->code = code;
	keep_words(r, span_skip(line, 4));
	return line.len > 3 && line.p[3] == '-' ? 0 : 1;
}

int smtp_reply_read(struct smtp_reply_reader *r, struct span bytes, size_t *ret_used,
                    struct smtp_reply *ret_reply)
{
	size_t used = 0;
	int last = 0;

	while (used < bytes.len && last == 0) {
		struct span rest = span_skip(bytes, used);
		size_t lf = span_find_byte(rest, '\n'), n = lf == SIZE_MAX ? rest.len : lf;

		if (r->lines == 0 && r->line.len == 0)
			start_over(r);
		if (r->line.len + n > SMTP_REPLY_LINE_MAX)
			return -POD_E_LIMIT;
		buf_add(&r->line, span_head(rest, n));
		if (r->line.failed)
			return -POD_E_NOMEM;
		used += n;
		if (lf == SIZE_MAX)
			break;
		used++;
		last = take_line(r, buf_span(&r->line));
		buf_clear(&r->line);
	}
	*ret_used = used;
	if (last != 1)
		return last;
	if (r->text.failed)
		return -POD_E_NOMEM;
	*ret_reply = (struct smtp_reply){ .code = r->code, .text = buf_span(&r->text) };
	r->lines = 0;
	return 1;
}

static size_t digits_at(struct span s, size_t at)
{
	size_t n = 0;

	while (at + n < s.len && ascii_is_digit(s.p[at + n]))
		n++;
	return n;
}

/* status-code = class "." subject "." detail; class "2"/"4"/"5", subject and detail 1*3digit. 0: none is
 * there. */
static size_t enhanced_len(struct span s)
{
	size_t subject, detail;

	if (s.len < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') || s.p[1] != '.')
		return 0;
	subject = digits_at(s, 2);
	if (subject < 1 || subject > 3 || 2 + subject >= s.len || s.p[2 + subject] != '.')
		return 0;
	detail = digits_at(s, 3 + subject);
	if (detail < 1 || detail > 3)
		return 0;
	if (3 + subject + detail < s.len && s.p[3 + subject + detail] != ' ' &&
	    s.p[3 + subject + detail] != '\n')
		return 0;
	return 3 + subject + detail;
}

void smtp_reply_enhanced(const struct smtp_reply *reply, char ret_code[SMTP_ENHANCED_SIZE])
{
	size_t n = enhanced_len(reply->text);

	if (n && reply->text.p[0] == '0' + reply->code / 100)
		(void) snprintf(ret_code, SMTP_ENHANCED_SIZE, SPAN_FMT, (int) n,
		                (const char *) reply->text.p);
	else
		(void) snprintf(ret_code, SMTP_ENHANCED_SIZE, "%u.0.0", reply->code / 100u % 10u);
}

char *smtp_reply_words(const struct smtp_reply *reply, char *buf, size_t size)
{
	struct span rest = reply->text;
	size_t len = 0;

	while (rest.p && len + 1 < size) {
		struct span line = span_split(rest, '\n', &rest);

		line = span_trim(span_skip(line, enhanced_len(line)));
		if (len && line.len)
			buf[len++] = ' ';
		for (size_t i = 0; i < line.len && len + 1 < size; i++)
			buf[len++] = line.p[i] >= ' ' && line.p[i] < 0x7f ? (char) line.p[i] : '?';
	}
	buf[len] = '\0';
	return buf;
}
