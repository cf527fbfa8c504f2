#include "mta/queue/agenda.h"

#include <stdlib.h>

#include "base/err.h"

static void place(struct agenda *a, size_t at, struct agenda_entry *e)
{
	a->heap[at] = e;
	e->place = at;
}

static void sift_up(struct agenda *a, struct agenda_entry *e)
{
	size_t at = e->place;

	while (at > 1 && a->heap[at / 2]->due_ms > e->due_ms) {
		place(a, at, a->heap[at / 2]);
		at /= 2;
	}
	place(a, at, e);
}

static void sift_down(struct agenda *a, struct agenda_entry *e)
{
	size_t at = e->place;

	for (;;) {
		size_t child = 2 * at;

		if (child < a->n && a->heap[child + 1]->due_ms < a->heap[child]->due_ms)
			child++;
		if (child > a->n || a->heap[child]->due_ms >= e->due_ms)
			break;
		place(a, at, a->heap[child]);
		at = child;
	}
	place(a, at, e);
}

static int grow(struct agenda *a)
{
	size_t cap = a->cap ? 2 * a->cap : 64;
	struct agenda_entry **heap;

	if (a->n + 1 < a->cap)
		return 0;
	heap = realloc(a->heap, cap * sizeof(struct agenda_entry *));
	if (!heap)
		return -POD_E_NOMEM;
	a->heap = heap;
	a->cap = cap;
	return 0;
}

int agenda_set(struct agenda *a, struct agenda_entry *e, int64_t due_ms)
{
	if (!e->place) {
		if (grow(a) < 0)
			return -POD_E_NOMEM;
		place(a, ++a->n, e);
	}
	e->due_ms = due_ms;
	sift_up(a, e);
	sift_down(a, e);
	return 0;
}

void agenda_remove(struct agenda *a, struct agenda_entry *e)
{
	struct agenda_entry *last;

	if (!e->place)
		return;
	last = a->heap[a->n--];
	if (last != e) {
		place(a, e->place, last);
		sift_up(a, last);
		sift_down(a, last);
	}
	e->place = 0;
}

struct agenda_entry *agenda_first(const struct agenda *a)
{
	return a->n ? a->heap[1] : NULL;
}

void agenda_done(struct agenda *a)
{
	free(a->heap);
	*a = (struct agenda){ 0 };
}
