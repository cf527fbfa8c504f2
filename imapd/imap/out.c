#include "imapd/imap/out.h"

#include "mime/mutf7.h"

void imap_out_flush(struct imap_out *o)
{
	if (o->n > 0 && evbuffer_add(o->to, o->chunk, o->n) < 0)
		o->failed = true;
	o->n = 0;
}

void imap_out_big(struct imap_out *o, struct span s)
{
	imap_out_flush(o);
	if (evbuffer_add(o->to, s.p, s.len) < 0)
		o->failed = true;
}

void imap_out_number(struct imap_out *o, uint64_t n)
{
	uint8_t digits[IMAP_OUT_NUMBER];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (uint8_t) ('0' + n % 10);
		n /= 10;
	} while (n > 0);
	imap_out_span(o, span_make(digits + i, sizeof(digits) - i));
}

void imap_out_str(struct imap_out *o, const char *s)
{
	imap_out_span(o, span_of(s));
}

static bool can_be_quoted(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.len <= 1000;
}

void imap_out_string(struct imap_out *o, struct span s)
{
	if (!s.p) {
		imap_out_lit(o, "NIL");
		return;
	}
	if (!can_be_quoted(s)) {
		imap_out_byte(o, '{');
		imap_out_number(o, s.len);
		imap_out_lit(o, "}\r\n");
		imap_out_span(o, s);
		return;
	}
	imap_out_byte(o, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			imap_out_byte(o, '\\');
		imap_out_byte(o, s.p[i]);
	}
	imap_out_byte(o, '"');
}

void imap_out_mailbox(struct imap_out *o, const char *name)
{
	_cleanup_buf_ struct buf encoded = BUF_INIT;

	/* A name that is no UTF-8 can not come from the store; as nothing else fits, it is told as it is. */
	if (mutf7_encode(span_of(name), "", &encoded) < 0)
		imap_out_string(o, span_of(name));
	else
		imap_out_string(o, buf_span(&encoded));
}
