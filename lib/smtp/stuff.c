#include "smtp/stuff.h"

/* A LF alone counts as a line's end: there are servers to which it is one. */
static size_t next_dotted_line(struct span s)
{
	size_t at = span_find(s, SPAN_LIT("\n."));

	return at == SIZE_MAX ? SIZE_MAX : at + 1;
}

size_t smtp_stuff(struct smtp_stuffer *s, struct span rest, bool *ret_dot)
{
	size_t n;

	*ret_dot = rest.len && rest.p[0] == '.' && (s->last == '\n' || s->last == 0);
	n = next_dotted_line(rest);
	if (n > rest.len)
		n = rest.len;
	if (n)
		s->last = rest.p[n - 1];
	return n;
}

struct span smtp_stuff_end(const struct smtp_stuffer *s)
{
	return s->last == '\n' || s->last == 0 ? SPAN_LIT(".\r\n") : SPAN_LIT("\r\n.\r\n");
}

bool smtp_stuff_is_needless(struct span message)
{
	return (!message.len || message.p[0] != '.') && next_dotted_line(message) == SIZE_MAX;
}
