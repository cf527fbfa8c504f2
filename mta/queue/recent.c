#include "mta/queue/recent.h"

#include <stdlib.h>

struct recent *recent_new(void)
{
	return calloc(1, sizeof(struct recent));
}

static void drop_bytes(struct recent *r)
{
	buf_done(&r->item);
	buf_done(&r->summary);
	buf_done(&r->body);
}

struct recent *recent_free(struct recent *r)
{
	if (r) {
		drop_bytes(r);
		free(r);
	}
	return NULL;
}

int recents_init(struct recents *rs)
{
	*rs = (struct recents){ 0 };
	return table_reserve(&rs->table);
}

static struct recent *recent_of(struct table_entry *e)
{
	return (struct recent *) e;
}

static void free_entry(void *arg, struct table_entry *e)
{
	(void) recent_free(recent_of(e));
}

void recents_clear(struct recents *rs, uint64_t segment)
{
	table_each(&rs->table, free_entry, NULL);
	table_clear(&rs->table);
	rs->segment = segment;
}

void recents_done(struct recents *rs)
{
	recents_clear(rs, 0);
	table_done(&rs->table);
}

static uint64_t hash_of(const struct guid *id)
{
	uint64_t h;

	memcpy(&h, id->b + ID_SIZE - sizeof(h), sizeof(h)); /* its random end */
	return h;
}

static bool has_id(const struct table_entry *e, const void *id)
{
	return guid_eq(&((const struct recent *) e)->id, id);
}

struct recent *recents_find(const struct recents *rs, const struct guid *id)
{
	return recent_of(table_find(&rs->table, hash_of(id), has_id, id));
}

static void swap(struct buf *a, struct buf *b)
{
	struct buf was = *a;

	*a = *b;
	*b = was;
}

static void end(struct recent *m)
{
	drop_bytes(m);
	m->gone = true;
}

/* It was gone; whether the index knew it stays as it was. */
static void begin_again(struct recent *m, struct recent *r)
{
	swap(&m->item, &r->item);
	swap(&m->summary, &r->summary);
	swap(&m->body, &r->body);
	m->whole = true;
	m->in_file = r->in_file;
	m->gone = false;
}

void recents_add(struct recents *rs, struct recent *r)
{
	struct recent *old = recents_find(rs, &r->id);

	if (!old) {
		(void) table_add(&rs->table, &r->entry, hash_of(&r->id)); /* it has buckets */
		return;
	}
	if (r->gone)
		end(old);
	else if (r->whole)
		begin_again(old, r);
	else
		swap(&old->item, &r->item);
	(void) recent_free(r);
}

static int compare(const void *a, const void *b)
{
	const struct recent *const *x = a, *const *y = b;

	return memcmp((*x)->id.b, (*y)->id.b, ID_SIZE);
}

static void append(void *next, struct table_entry *e)
{
	struct recent ***at = next;

	*(*at)++ = recent_of(e);
}

struct recent **recents_sorted(const struct recents *rs)
{
	struct recent **all = malloc((rs->table.n + 1) * sizeof(*all)), **next = all;

	if (!all)
		return NULL;
	table_each(&rs->table, append, &next);
	qsort(all, rs->table.n, sizeof(struct recent *), compare);
	return all;
}
