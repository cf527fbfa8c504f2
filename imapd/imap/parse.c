#include "imapd/imap/parse.h"

#include "base/buf.h"
#include "mime/date.h"
#include "mime/mutf7.h"
#include "storeproto/storeproto.h"

/* atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials */
bool imap_is_atom_byte(uint8_t c)
{
	static const char specials[] = "(){ %*\"\\]";

	return c > 0x20 && c < 0x7f && !memchr(specials, c, sizeof(specials) - 1);
}

/* ASTRING-CHAR = ATOM-CHAR / resp-specials */
static bool is_astring_byte(uint8_t c)
{
	return imap_is_atom_byte(c) || c == ']';
}

/* list-char = ATOM-CHAR / list-wildcards / resp-specials */
static bool is_list_byte(uint8_t c)
{
	return is_astring_byte(c) || c == '%' || c == '*';
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
static bool is_tag_byte(uint8_t c)
{
	return is_astring_byte(c) && c != '+';
}

int imap_parse_fail(struct imap_parser *p, const char *error)
{
	p->error = error;
	return -POD_E_SYNTAX;
}

static struct span take_while(struct imap_parser *p, bool (*is)(uint8_t))
{
	size_t n = 0;
	struct span taken;

	while (n < p->in.len && is(p->in.p[n]))
		n++;
	taken = span_head(p->in, n);
	p->in = span_skip(p->in, n);
	return taken;
}

bool imap_take_word(struct imap_parser *p, const char *word)
{
	struct span w = span_of(word);

	if (!span_starts_nocase(p->in, w) || (p->in.len > w.len && imap_is_atom_byte(p->in.p[w.len])))
		return false;
	p->in = span_skip(p->in, w.len);
	return true;
}

int imap_parse_space(struct imap_parser *p)
{
	return imap_take_byte(p, ' ') ? 0 : imap_parse_fail(p, "Missing argument or space");
}

int imap_parse_byte(struct imap_parser *p, uint8_t c)
{
	if (imap_take_byte(p, c))
		return 0;
	p->error = arena_printf(p->a, "Expected '%c'", c);
	return -POD_E_SYNTAX;
}

int imap_parse_end(struct imap_parser *p)
{
	return p->in.len == 0 ? 0 : imap_parse_fail(p, "Unexpected characters at the end of the command");
}

static int parse_run(struct imap_parser *p, bool (*is)(uint8_t), const char *error, struct span *ret)
{
	struct span s = take_while(p, is);

	if (s.len == 0)
		return imap_parse_fail(p, error);
	*ret = s;
	return 0;
}

int imap_parse_tag(struct imap_parser *p, struct span *ret_tag)
{
	return parse_run(p, is_tag_byte, "Invalid tag", ret_tag);
}

int imap_parse_atom(struct imap_parser *p, struct span *ret_atom)
{
	return parse_run(p, imap_is_atom_byte, "Expected an atom", ret_atom);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE; 8-bit bytes are let through, as UTF-8 clients send them. */
static int parse_quoted(struct imap_parser *p, struct span *ret)
{
	uint8_t *out;
	size_t i = 1, n = 0, end = 1;

	while (end < p->in.len && p->in.p[end] != '"')
		end += p->in.p[end] == '\\' ? 2 : 1;
	if (end >= p->in.len)
		return imap_parse_fail(p, "Quoted string is not closed");
	out = arena_alloc(p->a, end + 1);
	if (!out)
		return -POD_E_NOMEM;
	for (; i < end; i++) {
		uint8_t c = p->in.p[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return imap_parse_fail(p, "Control character in a quoted string");
		if (c == '\\') {
			c = p->in.p[++i];
			if (c != '"' && c != '\\')
				return imap_parse_fail(p, "Only \\ and \" may be escaped in a quoted string");
		}
		out[n++] = c;
	}
	p->in = span_skip(p->in, end + 1);
	*ret = span_make(out, n);
	return 0;
}

/* Digits up to `max`; the span of digits is taken. */
static int parse_digits(struct imap_parser *p, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < p->in.len && ascii_is_digit(p->in.p[i]); i++) {
		if (n > (max - (p->in.p[i] - '0')) / 10)
			return imap_parse_fail(p, "Number is too large");
		n = n * 10 + (p->in.p[i] - '0');
	}
	if (i == 0)
		return imap_parse_fail(p, "Expected a number");
	p->in = span_skip(p->in, i);
	*ret = n;
	return 0;
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8 */
static int parse_literal(struct imap_parser *p, struct span *ret)
{
	uint64_t size = 0;
	int r;

	p->in = span_skip(p->in, 1);
	r = parse_digits(p, UINT32_MAX, &size);
	if (r < 0)
		return r;
	(void) imap_take_byte(p, '+');
	if (!imap_take_byte(p, '}') || !imap_take_byte(p, '\r') || !imap_take_byte(p, '\n') ||
	    p->in.len < size)
		return imap_parse_fail(p, "Malformed literal");
	if (memchr(p->in.p, 0, size))
		return imap_parse_fail(p, "NUL in a literal");
	*ret = span_head(p->in, size);
	p->in = span_skip(p->in, size);
	return 0;
}

int imap_parse_string(struct imap_parser *p, struct span *ret_string)
{
	switch (imap_peek(p)) {
	case '"': return parse_quoted(p, ret_string);
	case '{': return parse_literal(p, ret_string);
	default: return imap_parse_fail(p, "Expected a string");
	}
}

static int parse_string_or(struct imap_parser *p, bool (*is)(uint8_t), struct span *ret)
{
	int c = imap_peek(p);

	if (c == '"' || c == '{')
		return imap_parse_string(p, ret);
	return parse_run(p, is, "Expected a string or an atom", ret);
}

int imap_parse_astring(struct imap_parser *p, struct span *ret_string)
{
	return parse_string_or(p, is_astring_byte, ret_string);
}

int imap_parse_list_mailbox(struct imap_parser *p, struct span *ret_pattern)
{
	return parse_string_or(p, is_list_byte, ret_pattern);
}

int imap_parse_nstring(struct imap_parser *p, struct span *ret_string)
{
	if (imap_take_word(p, "NIL")) {
		*ret_string = SPAN_NONE;
		return 0;
	}
	return imap_parse_string(p, ret_string);
}

int imap_parse_number64(struct imap_parser *p, uint64_t *ret_number)
{
	return parse_digits(p, INT64_MAX, ret_number);
}

int imap_parse_number(struct imap_parser *p, uint32_t *ret_number)
{
	uint64_t n = 0;
	int r = parse_digits(p, UINT32_MAX, &n);

	if (r == 0)
		*ret_number = (uint32_t) n;
	return r;
}

int imap_parse_nz_number(struct imap_parser *p, uint32_t *ret_number)
{
	uint32_t n = 0;
	int r = imap_parse_number(p, &n);

	if (r < 0)
		return r;
	if (n == 0)
		return imap_parse_fail(p, "Zero is not allowed here");
	*ret_number = n;
	return 0;
}

struct span imap_mailbox_decode(struct arena *a, struct span name)
{
	_cleanup_buf_ struct buf utf8 = { .limit = IMAP_MAILBOX_NAME_MAX };

	if (mutf7_decode(name, &utf8) < 0 || utf8.failed)
		return SPAN_NONE;
	/* INBOX in any case, alone or above others, is one and the same (RFC 3501 5.1). */
	if (span_starts_nocase(buf_span(&utf8), SPAN_LIT("INBOX")) && (utf8.len == 5 || utf8.p[5] == '/'))
		memcpy(utf8.p, "INBOX", 5);
	return utf8.len > 0 ? arena_dup(a, buf_span(&utf8)) : SPAN_LIT("");
}

int imap_parse_mailbox(struct imap_parser *p, struct span *ret_name)
{
	struct span raw, name;
	int r = imap_parse_astring(p, &raw);

	if (r < 0)
		return r;
	name = imap_mailbox_decode(p->a, raw);
	if (!name.p)
		return imap_parse_fail(p, "Mailbox name is not valid modified UTF-7");
	*ret_name = name;
	return 0;
}

int imap_parse_day(struct imap_parser *p, int32_t *ret_day)
{
	struct span text;
	int r = imap_parse_astring(p, &text);

	if (r < 0)
		return r;
	return date_parse_imap_day(text, ret_day) == 0 ? 0 : imap_parse_fail(p, "Not a date");
}

int imap_parse_date_time(struct imap_parser *p, int64_t *ret_unix_s)
{
	struct mail_date d;
	struct span text;
	int r = imap_parse_string(p, &text);

	if (r < 0)
		return r;
	if (date_parse_imap(text, &d) < 0)
		return imap_parse_fail(p, "Not a date-time");
	*ret_unix_s = d.unix_s;
	return 0;
}

bool imap_literal_header(struct span line, uint64_t *ret_size, bool *ret_sync)
{
	uint64_t size = 0;
	bool sync = true;
	size_t open = line.len;

	if (line.len < 3 || line.p[line.len - 1] != '}')
		return false;
	while (open > 0 && line.p[open - 1] != '{')
		open--;
	if (open == 0)
		return false;
	line = span_make(line.p + open, line.len - open - 1);
	if (line.len > 0 && line.p[line.len - 1] == '+') {
		sync = false;
		line.len--;
	}
	if (span_to_u64(line, &size) < 0)
		return false;
	*ret_size = size;
	*ret_sync = sync;
	return true;
}
