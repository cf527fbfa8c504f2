#include "mime/delimiter.h"

#include "mime/cfws.h"

static bool is_blank(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!cfws_is_space(s.p[i]))
			return false;
	return true;
}

size_t delimiter_find(const struct scan_level *levels, size_t depth, struct span line, bool *ret_close)
{
	size_t best = SIZE_MAX;

	for (size_t i = depth; i > 0; i--) {
		struct span boundary = levels[i - 1].boundary, tail;
		bool close;

		if (boundary.len == 0 || line.len < boundary.len ||
		    memcmp(line.p, boundary.p, boundary.len) != 0)
			continue;
		tail = span_skip(line, boundary.len);
		close = tail.len >= 2 && tail.p[0] == '-' && tail.p[1] == '-';
		if (best == SIZE_MAX || boundary.len > levels[best].boundary.len) {
			best = i - 1;
			*ret_close = close;
		}
		if (is_blank(span_skip(tail, close ? 2 : 0))) {
			*ret_close = close;
			return i - 1;
		}
	}
	return best;
}
