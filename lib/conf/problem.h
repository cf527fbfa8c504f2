/* Gathers what is wrong with a configuration, so that an admin sees all of it at once. */
#ifndef POD_CONF_PROBLEM_H
#define POD_CONF_PROBLEM_H

#include "base/arena.h"
#include "conf/conf.h"

/* After so many there is nothing to learn from more. */
#define PROBLEMS_MAX 100

struct problems {
	struct arena *a;
	struct conf_problem items[PROBLEMS_MAX];
	size_t n;
	bool nomem;
};

void problem_add(struct problems *p, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* By line, those of one line in the order they were found. */
void problems_sort(struct problems *p);

#endif
