#include "imapd/eas/loops.h"

#include "base/fnv.h"

uint64_t loops_print(uint64_t print, struct span bytes)
{
	uint64_t h = fnv64(print ? print : FNV64_START, bytes);

	/* The length, so that two texts in a row are not one. */
	return (h ^ bytes.len) * FNV64_PRIME;
}

/* Where it is, or what is to make room for it: the one that came least lately. */
static struct loops_request *slot_of(struct loops_row *row, uint64_t print)
{
	struct loops_request *oldest = &row->requests[0];

	for (int i = 0; i < LOOPS_REQUESTS; i++) {
		if (row->requests[i].print == print)
			return &row->requests[i];
		if (row->requests[i].last_ms < oldest->last_ms)
			oldest = &row->requests[i];
	}
	return oldest;
}

uint32_t loops_seen(struct loops *l, uint64_t device, uint64_t request, uint32_t max, uint32_t window_ms,
                    uint64_t now_ms)
{
	struct loops_row *row = &l->rows[device % LOOPS_ROWS];
	struct loops_request *r;

	if (row->device != device)
		*row = (struct loops_row){ .device = device };
	r = slot_of(row, request);
	if (r->print != request || now_ms - r->first_ms >= window_ms)
		*r = (struct loops_request){ .print = request, .first_ms = now_ms };
	r->last_ms = now_ms;
	if (r->n >= max)
		return (uint32_t) ((r->first_ms + window_ms - now_ms) / 1000 + 1);
	r->n++;
	return 0;
}
