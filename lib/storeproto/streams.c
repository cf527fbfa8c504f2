#include <stdlib.h>

#include "storeproto/server_internal.h"

#define BUCKETS_MIN 16

static struct store_request **bucket_of(const struct streams *s, uint32_t stream)
{
	return &s->buckets[(stream >> 1) & (s->buckets_n - 1)]; /* streams are odd, and mostly count up */
}

static void link_in(struct streams *s, struct store_request *rq)
{
	struct store_request **b = bucket_of(s, rq->stream);

	rq->next_in_bucket = *b;
	*b = rq;
}

static bool grow(struct streams *s)
{
	struct streams larger = { .buckets_n = s->buckets_n ? 2 * s->buckets_n : BUCKETS_MIN, .n = s->n };

	larger.buckets = calloc(larger.buckets_n, sizeof(struct store_request *));
	if (!larger.buckets)
		return false;
	for (size_t i = 0; i < s->buckets_n; i++) {
		for (struct store_request *rq = s->buckets[i], *next; rq; rq = next) {
			next = rq->next_in_bucket;
			link_in(&larger, rq);
		}
	}
	free(s->buckets);
	*s = larger;
	return true;
}

bool streams_add(struct streams *s, struct store_request *rq)
{
	if (s->n == s->buckets_n && !grow(s))
		return false;
	link_in(s, rq);
	s->n++;
	return true;
}

void streams_remove(struct streams *s, struct store_request *rq)
{
	struct store_request **at = bucket_of(s, rq->stream);

	while (*at != rq)
		at = &(*at)->next_in_bucket;
	*at = rq->next_in_bucket;
	s->n--;
}

struct store_request *streams_find(const struct streams *s, uint32_t stream)
{
	struct store_request *rq = s->buckets_n ? *bucket_of(s, stream) : NULL;

	while (rq && rq->stream != stream)
		rq = rq->next_in_bucket;
	return rq;
}

void streams_done(struct streams *s)
{
	free(s->buckets);
}
