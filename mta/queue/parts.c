/* Which recipients of a message travel together. */
#include <stdlib.h>
#include <string.h>

#include "mta/queue/internal.h"

#define PART_MAX 100 /* recipients in one transaction: what every server has to take (RFC 5321 4.5.3.1.8) */

struct span queue_domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return span_of(at ? at + 1 : address);
}

static int compare_nocase(struct span a, struct span b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return ascii_lower(a.p[i]) < ascii_lower(b.p[i]) ? -1 : 1;
	return a.len < b.len ? -1 : a.len > b.len;
}

/* Where its envelope sender is rewritten it is with the domain whose alias led there. */
static struct span forwarder_of(const Queue__Recipient *r)
{
	return r->forwarded ? queue_domain_of(r->original) : SPAN_LIT("");
}

static int by_way(const Queue__Recipient *a, const Queue__Recipient *b)
{
	int d = (int) a->state - (int) b->state;

	if (d == 0 && a->state == QUEUE__STATE__OUTBOUND) {
		d = compare_nocase(queue_domain_of(a->address), queue_domain_of(b->address));
		if (d == 0)
			d = compare_nocase(forwarder_of(a), forwarder_of(b));
	}
	return d;
}

static int by_way_and_part(const void *a, const void *b)
{
	const Queue__Recipient *x = *(Queue__Recipient *const *) a, *y = *(Queue__Recipient *const *) b;
	int d = by_way(x, y);

	if (d == 0)
		d = x->part < y->part ? -1 : x->part > y->part;
	return d ? d : strcmp(x->address, y->address);
}

void queue_item_sort(Queue__Item *item)
{
	if (item->n_recipients > 1)
		qsort(item->recipients, item->n_recipients, sizeof(*item->recipients), by_way_and_part);
}

void queue_item_set_parts(Queue__Item *item)
{
	uint32_t part = 0, n = 0;

	queue_item_sort(item);
	for (size_t i = 0; i < item->n_recipients; i++) {
		Queue__Recipient *r = item->recipients[i];

		if (i && (by_way(item->recipients[i - 1], r) != 0 || n == PART_MAX)) {
			part++;
			n = 0;
		}
		/* Those of one volume are found by where they live. */
		r->part = r->state == QUEUE__STATE__OUTBOUND ? part : 0;
		n++;
	}
}
