#include "base/xml.h"

#include <string.h>

static const char *entity(uint8_t c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	default: return NULL;
	}
}

static bool is_char(uint8_t c)
{
	return c >= ' ' ? c != 0x7f : c == '\t' || c == '\r' || c == '\n';
}

void xml_text(struct buf *out, struct span text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *instead = entity(text.p[i]);

		if (!instead && is_char(text.p[i]))
			continue;
		buf_add(out, span_make(text.p + from, i - from));
		if (instead)
			buf_add_str(out, instead);
		from = i + 1;
	}
	buf_add(out, span_skip(text, from));
}

void xml_element(struct buf *out, const char *name, struct span text)
{
	buf_printf(out, "<%s>", name);
	xml_text(out, text);
	xml_end(out, name);
}

void xml_end(struct buf *out, const char *name)
{
	buf_printf(out, "</%.*s>\n", (int) strcspn(name, " "), name);
}
