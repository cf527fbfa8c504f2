#include "conf/problem.h"

#include <stdarg.h>

void problem_add(struct problems *p, unsigned int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	char *kept;

	if (p->n == PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kept = arena_str(p->a, span_of(text));
	if (kept)
		p->items[p->n++] = (struct conf_problem){ line, kept };
	else
		p->nomem = true;
}

void problems_sort(struct problems *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct conf_problem moved = p->items[i];
		size_t at = i;

		for (; at > 0 && p->items[at - 1].line > moved.line; at--)
			p->items[at] = p->items[at - 1];
		p->items[at] = moved;
	}
}
