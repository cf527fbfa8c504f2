/* What is due when: a binary heap by time, so that a hundred thousand waiting messages cost a look at the
 * first. */
#ifndef POD_MTA_QUEUE_AGENDA_H
#define POD_MTA_QUEUE_AGENDA_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what has a time. */
struct agenda_entry {
	int64_t due_ms;
	size_t place; /* 1..n; 0: not on the agenda. Zeroed memory is a valid entry. */
};

struct agenda {
	struct agenda_entry **heap; /* heap[1] is the earliest */
	size_t n, cap;
};

/* Puts it on the agenda, or moves it. -POD_E_NOMEM. */
int agenda_set(struct agenda *a, struct agenda_entry *e, int64_t due_ms);
/* Takes it off; one that is not on it is fine. */
void agenda_remove(struct agenda *a, struct agenda_entry *e);
/* The earliest, or NULL. */
struct agenda_entry *agenda_first(const struct agenda *a);
void agenda_done(struct agenda *a);

#endif
