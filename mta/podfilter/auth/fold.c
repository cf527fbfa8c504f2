#include "mta/podfilter/auth/fold.h"

#define LINE 72

void fold_base64(struct buf *out, struct span text)
{
	for (; text.len; text = span_skip(text, LINE))
		buf_printf(out, "\r\n\t" SPAN_FMT, SPAN_ARG(span_head(text, LINE)));
}

void fold_names(struct buf *out, struct span names)
{
	size_t column = LINE;

	while (names.p) {
		struct span name = span_split(names, ':', &names);

		if (column + name.len + 1 > LINE) {
			buf_add_str(out, "\r\n\t");
			column = 0;
		}
		buf_printf(out, SPAN_FMT "%s", SPAN_ARG(name), names.p ? ":" : ";");
		column += name.len + 1;
	}
}
