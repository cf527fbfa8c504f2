#include "imapd/eas/sync/peek.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/state/sync_key.h"
#include "imapd/eas/sync/filter.h"
#include "imapd/eas/sync/look.h"

#define NEW_S       60 /* mail of the last minute has just come */
#define PEEK_MEMORY ((size_t) 256 << 20)

/* The generation that the key is of; NULL with *ret_how. */
static const struct eas_generation *find(const struct eas_peek *p, const struct eas_collection_state *s,
                                         enum eas_peeked *ret_how)
{
	struct eas_sync_key key;

	*ret_how = EAS_PEEKED;
	if (p->key.len == 0)
		return &s->now;
	if (eas_sync_key_parse(p->key, &key) == 0 && key.number == 0) {
		*ret_how = EAS_PEEK_NOT_PRIMED;
		return NULL;
	}
	if (eas_sync_key_parse(p->key, &key) == 0 && key.epoch == s->epoch) {
		if (key.number == s->now.number)
			return &s->now;
		if (s->has_before && key.number == s->before.number)
			return &s->before;
	}
	*ret_how = EAS_PEEK_BAD_KEY;
	return NULL;
}

/* A request that says a filter says of conversations what it does not say: no. */
static unsigned int filter_of(const struct eas_peek *p, unsigned int kept)
{
	unsigned int filter = p->has_filter ? p->filter : kept;

	if (!p->has_mode)
		return filter;
	return (filter & ~EAS_FILTER_CONVERSATIONS) | p->mode;
}

static int count(struct eas_request *rq, struct arena *a, const struct eas_peek *p,
                 struct eas_peek_result *ret, struct err *err)
{
	struct eas_collection_state state;
	const struct eas_generation *from;
	struct eas_generation g;
	size_t rows;
	int r = p->stored->version ? eas_collection_decode(p->stored->value, a, &state) : -POD_E_CORRUPT;

	if (r == -POD_E_NOMEM)
		return err_set(err, POD_E_NOMEM, "sync state");
	if (r < 0 || state.uidvalidity != p->folder->uidvalidity) {
		ret->how = EAS_PEEK_NOT_PRIMED;
		return 0;
	}
	from = find(p, &state, &ret->how);
	if (!from)
		return 0;
	eas_generation_copy(&g, from, a);
	r = eas_look_refresh(rq, p->folder, &g, filter_of(p, state.filter), &rows, err);
	if (r < 0)
		return r;
	ret->n = eas_engine_pending(&g);
	ret->sure = eas_engine_pending(from) > 0 || g.newest_add >= clock_wall_s() - NEW_S;
	return 0;
}

int eas_peek_count(struct eas_request *rq, const struct eas_peek *p, struct eas_peek_result *ret_result,
                   struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(PEEK_MEMORY);

	*ret_result = (struct eas_peek_result){ .how = EAS_PEEKED };
	return a ? count(rq, a, p, ret_result, err) : err_set(err, POD_E_NOMEM, "sync state");
}
