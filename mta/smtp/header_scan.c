#include "mta/smtp/internal.h"

static void count_field(struct smtp_header_scan *h)
{
	/* obs-syntax of RFC 5322 4.5 allows blanks before the colon. */
	struct span name = span_trim(span_make(h->name, h->len));

	if (span_eq_nocase(name, SPAN_LIT("Received")))
		h->received++;
	else if (span_eq_nocase(name, SPAN_LIT("Date")))
		h->has_date = true;
	else if (span_eq_nocase(name, SPAN_LIT("Message-ID")))
		h->has_message_id = true;
}

/* A byte of what may be a field name. True at the CR of the empty line. */
static bool name_byte(struct smtp_header_scan *h, uint8_t c)
{
	if (c == '\r' && h->len == 0) {
		h->state = SCAN_DONE;
		return true;
	}
	if (c == ':')
		count_field(h);
	if (c == ':' || c == '\n' || h->len == sizeof(h->name))
		h->state = SCAN_SKIP;
	else
		h->name[h->len++] = c;
	return false;
}

size_t smtp_header_scan(struct smtp_header_scan *h, struct span bytes)
{
	size_t i = 0;

	while (i < bytes.len && h->state != SCAN_DONE) {
		if (h->state == SCAN_NAME) {
			if (name_byte(h, bytes.p[i]))
				return i;
			if (h->state == SCAN_NAME || bytes.p[i] != '\n')
				i++;
			continue;
		}
		/* To the next line: its first byte decides whether it is folded, a field or the end. */
		i += span_head(span_skip(bytes, i), span_find_byte(span_skip(bytes, i), '\n')).len;
		if (i < bytes.len) {
			h->state = SCAN_NAME;
			h->len = 0;
			i++;
		}
	}
	return SIZE_MAX;
}
