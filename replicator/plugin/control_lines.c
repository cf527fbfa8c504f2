#include "replicator/plugin/control_internal.h"

int control_lines_take(uint8_t *buffer, size_t *len, control_line_fn *fn, void *arg, struct err *err)
{
	struct span rest = span_make(buffer, *len);
	size_t at;
	int r = 0;

	while (r == 0 && (at = span_find_byte(rest, '\n')) != SIZE_MAX) {
		r = fn(arg, span_head(rest, at), err);
		rest = span_skip(rest, at + 1);
	}
	if (r == 0 && rest.len == CONTROL_LINE_MAX)
		r = err_set(err, POD_E_LIMIT, "a line has at most %d bytes", CONTROL_LINE_MAX);
	memmove(buffer, rest.p, rest.len);
	*len = rest.len;
	return r;
}
