#include "storeproto/client_internal.h"

#include <stdlib.h>

#define NOT_THERE SIZE_MAX

static void put(struct deadlines *d, size_t i, struct store_call *call)
{
	d->heap[i] = call;
	call->heap_at = i;
}

static void sift_up(struct deadlines *d, size_t i, struct store_call *call)
{
	while (i > 0 && d->heap[(i - 1) / 2]->deadline_ms > call->deadline_ms) {
		put(d, i, d->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(d, i, call);
}

static void sift_down(struct deadlines *d, size_t i, struct store_call *call)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < d->n && d->heap[child + 1]->deadline_ms < d->heap[child]->deadline_ms)
			child++;
		if (child >= d->n || d->heap[child]->deadline_ms >= call->deadline_ms)
			break;
		put(d, i, d->heap[child]);
		i = child;
	}
	put(d, i, call);
}

bool deadlines_add(struct deadlines *d, struct store_call *call)
{
	call->heap_at = NOT_THERE;
	if (call->deadline_ms == 0)
		return true;
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 64;
		struct store_call **heap = realloc(d->heap, cap * sizeof(*heap));

		if (!heap)
			return false;
		d->heap = heap;
		d->cap = cap;
	}
	d->n++;
	sift_up(d, d->n - 1, call);
	return true;
}

void deadlines_remove(struct deadlines *d, struct store_call *call)
{
	size_t i = call->heap_at;
	struct store_call *last;

	if (i == NOT_THERE)
		return;
	call->heap_at = NOT_THERE;
	last = d->heap[--d->n];
	if (last == call)
		return;
	if (i > 0 && d->heap[(i - 1) / 2]->deadline_ms > last->deadline_ms)
		sift_up(d, i, last);
	else
		sift_down(d, i, last);
}

struct store_call *deadlines_first(const struct deadlines *d)
{
	return d->n ? d->heap[0] : NULL;
}
