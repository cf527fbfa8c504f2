#include "imapd/eas/sync/last.h"

#include "base/err.h"
#include "imapd/eas/state/uidset.h"

#define FORMAT           1
#define STRING_MAX       64u
#define GET_CHANGES      1u
#define DELETES_AS_MOVES 2u
#define HAS_CLASS        4u

static void put_string(struct buf *out, const char *s)
{
	eas_put_number(out, strlen(s));
	buf_add_str(out, s);
}

void eas_sync_last_encode(const struct eas_sync_request *rq, struct buf *out)
{
	buf_add_byte(out, FORMAT);
	eas_put_number(out, rq->window);
	eas_put_number(out, rq->wait_s);
	eas_put_number(out, rq->n);
	for (size_t i = 0; i < rq->n; i++) {
		const struct eas_sync_collection *c = &rq->collections[i];

		put_string(out, c->id);
		put_string(out, c->key);
		eas_put_number(out, c->window);
		eas_put_number(out, (c->get_changes ? GET_CHANGES : 0) |
		                            (c->deletes_as_moves ? DELETES_AS_MOVES : 0) |
		                            (c->class ? HAS_CLASS : 0));
	}
}

static int take_string(struct span *in, struct arena *a, const char **ret)
{
	uint64_t len;
	int r = eas_take_number(in, &len);

	if (r < 0 || len > STRING_MAX || len > in->len)
		return -POD_E_CORRUPT;
	*ret = arena_str(a, span_head(*in, len));
	*in = span_skip(*in, len);
	return *ret ? 0 : -POD_E_NOMEM;
}

static int take_small(struct span *in, uint64_t max, unsigned int *ret)
{
	uint64_t v;
	int r = eas_take_number(in, &v);

	if (r < 0 || v > max)
		return -POD_E_CORRUPT;
	*ret = (unsigned int) v;
	return 0;
}

static int take_collection(struct span *in, struct arena *a, struct eas_sync_collection *c)
{
	unsigned int flags = 0;
	int r = take_string(in, a, &c->id);

	if (r == 0)
		r = take_string(in, a, &c->key);
	if (r == 0)
		r = take_small(in, EAS_WINDOW_MAX, &c->window);
	if (r == 0)
		r = take_small(in, GET_CHANGES | DELETES_AS_MOVES | HAS_CLASS, &flags);
	c->get_changes = flags & GET_CHANGES;
	c->deletes_as_moves = flags & DELETES_AS_MOVES;
	c->class = flags & HAS_CLASS ? "Email" : NULL;
	return r;
}

int eas_sync_last_decode(struct span bytes, struct arena *a, struct eas_sync_request *ret)
{
	struct span in = span_skip(bytes, 1);
	struct eas_sync_request rq = { 0 };
	unsigned int n = 0;
	int r = bytes.len && bytes.p[0] == FORMAT ? 0 : -POD_E_CORRUPT;

	if (r == 0)
		r = take_small(&in, EAS_WINDOW_MAX, &rq.window);
	if (r == 0)
		r = take_small(&in, EAS_WAIT_MAX * 60, &rq.wait_s);
	if (r == 0)
		r = take_small(&in, EAS_COLLECTIONS_MAX, &n);
	if (r < 0)
		return r;
	rq.collections = arena_array(a, n ? n : 1, sizeof(*rq.collections));
	if (!rq.collections)
		return -POD_E_NOMEM;
	for (; r == 0 && rq.n < n; rq.n++)
		r = take_collection(&in, a, &rq.collections[rq.n]);
	if (r == 0 && in.len)
		r = -POD_E_CORRUPT;
	if (r == 0)
		*ret = rq;
	return r;
}

static bool has(const struct eas_sync_request *rq, const char *id)
{
	for (size_t i = 0; i < rq->n; i++)
		if (strcmp(rq->collections[i].id, id) == 0)
			return true;
	return false;
}

int eas_sync_last_complete(struct eas_sync_request *rq, const struct eas_sync_request *last, struct arena *a)
{
	struct eas_sync_collection *all = arena_array(a, rq->n + last->n + 1, sizeof(*all));
	size_t n = rq->n;

	if (!all)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < rq->n; i++)
		all[i] = rq->collections[i];
	for (size_t i = 0; i < last->n && n < EAS_COLLECTIONS_MAX; i++)
		if (!has(rq, last->collections[i].id))
			all[n++] = last->collections[i];
	rq->collections = all;
	rq->n = n;
	if (!rq->window)
		rq->window = last->window;
	if (!rq->wait_s)
		rq->wait_s = last->wait_s;
	return 0;
}
