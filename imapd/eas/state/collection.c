#include "imapd/eas/state/collection.h"

#include "base/cleanup.h"
#include "base/err.h"

#define FORMAT          2
#define STRING_MAX      256
#define CLIENT_ADDS_MAX 4096

/* ---- generations ---- */

/* All sets of a generation, in the order in which they are kept. */
#define SETS 10
static void sets_of(struct eas_generation *g, struct eas_uidset *ret[SETS])
{
	struct eas_uidset *const all[SETS] = { &g->adds,         &g->changes,      &g->deletes,
		                               &g->softs,        &g->own,          &g->sent.adds,
		                               &g->sent.changes, &g->sent.deletes, &g->sent.softs,
		                               &g->sent.refused };

	memcpy(ret, all, sizeof(all));
}

static void sets_of_const(const struct eas_generation *g, const struct eas_uidset *ret[SETS])
{
	const struct eas_uidset *const all[SETS] = { &g->adds,         &g->changes,      &g->deletes,
		                                     &g->softs,        &g->own,          &g->sent.adds,
		                                     &g->sent.changes, &g->sent.deletes, &g->sent.softs,
		                                     &g->sent.refused };

	memcpy(ret, all, sizeof(all));
}

void eas_generation_init(struct eas_generation *g, struct arena *a)
{
	struct eas_uidset *sets[SETS];

	*g = (struct eas_generation){ 0 };
	eas_uidset_init(&g->have, a);
	sets_of(g, sets);
	for (size_t i = 0; i < SETS; i++)
		eas_uidset_init(sets[i], a);
}

void eas_generation_copy(struct eas_generation *to, const struct eas_generation *from, struct arena *a)
{
	eas_generation_init(to, a);
	to->number = from->number;
	to->watermark = from->watermark;
	to->cutoff = from->cutoff;
	to->filter = from->filter;
	to->listed = from->listed;
	eas_uidset_copy(&to->have, &from->have);
	eas_uidset_copy(&to->adds, &from->adds);
	eas_uidset_copy(&to->changes, &from->changes);
	eas_uidset_copy(&to->deletes, &from->deletes);
	eas_uidset_copy(&to->softs, &from->softs);
	eas_uidset_copy(&to->own, &from->own);
}

bool eas_generation_failed(const struct eas_generation *g)
{
	const struct eas_uidset *sets[SETS];
	bool failed = g->have.failed;

	sets_of_const(g, sets);
	for (size_t i = 0; i < SETS; i++)
		failed |= sets[i]->failed;
	return failed;
}

const struct eas_client_add *eas_generation_client_add(const struct eas_generation *g, struct span client_id)
{
	for (size_t i = 0; i < g->client_adds_n; i++)
		if (span_eq(span_of(g->client_adds[i].client_id), client_id))
			return &g->client_adds[i];
	return NULL;
}

int eas_generation_remember_add(struct eas_generation *g, struct arena *a, const struct eas_client_add *add)
{
	struct eas_client_add *to;

	if (g->client_adds_n == g->client_adds_cap) {
		size_t cap = g->client_adds_cap ? 2 * g->client_adds_cap : 8;
		struct eas_client_add *grown =
			arena_grow(a, g->client_adds, g->client_adds_n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		g->client_adds = grown;
		g->client_adds_cap = cap;
	}
	to = &g->client_adds[g->client_adds_n];
	*to = *add;
	to->client_id = arena_str(a, span_of(add->client_id));
	if (!to->client_id)
		return -POD_E_NOMEM;
	g->client_adds_n++;
	return 0;
}

/* ---- the whole ---- */

void eas_collection_init(struct eas_collection_state *c, struct arena *a)
{
	*c = (struct eas_collection_state){ .a = a, .conflict = 1 };
	eas_generation_init(&c->now, a);
	eas_generation_init(&c->before, a);
}

int eas_collection_moved(struct eas_collection_state *c, const struct eas_moved *m)
{
	struct eas_moved copy = { m->uid, m->to_uid, arena_str(c->a, span_of(m->to_folder)) };

	if (!c->moved)
		c->moved = arena_array(c->a, EAS_MOVED_MAX, sizeof(*c->moved));
	if (!c->moved || !copy.to_folder)
		return -POD_E_NOMEM;
	if (c->moved_n == EAS_MOVED_MAX) {
		memmove(c->moved, c->moved + 1, (EAS_MOVED_MAX - 1) * sizeof(*c->moved));
		c->moved_n--;
	}
	c->moved[c->moved_n++] = copy;
	return 0;
}

const struct eas_moved *eas_collection_find_moved(const struct eas_collection_state *c, uint32_t uid)
{
	for (size_t i = c->moved_n; i > 0; i--)
		if (c->moved[i - 1].uid == uid)
			return &c->moved[i - 1];
	return NULL;
}

/* ---- bytes out ----
 * FORMAT, the epoch and the other numbers, item options; `now` with its `have`; the same of `before`, whose
 * `have` is said as what is different: runs with their tokens, and uids that it had not; the moves.
 */

static void put_bytes(struct buf *out, struct span s)
{
	eas_put_number(out, s.len);
	buf_add(out, s);
}

static void put_generation(struct buf *out, const struct eas_generation *g)
{
	const struct eas_uidset *sets[SETS];

	eas_put_number(out, g->number);
	eas_put_number(out, g->watermark);
	eas_put_number(out, (uint64_t) g->cutoff);
	eas_put_number(out, g->filter);
	eas_put_number(out, g->listed);
	sets_of_const(g, sets);
	for (size_t i = 0; i < SETS; i++)
		eas_uidset_encode(sets[i], out);
	eas_put_number(out, g->client_adds_n);
	for (size_t i = 0; i < g->client_adds_n; i++) {
		put_bytes(out, span_of(g->client_adds[i].client_id));
		eas_put_number(out, g->client_adds[i].uid);
		eas_put_number(out, g->client_adds[i].status);
	}
}

static void put_difference(struct buf *out, struct arena *a, const struct eas_uidset *from,
                           const struct eas_uidset *to)
{
	struct eas_uidset other, gone, uids;

	eas_uidset_init(&other, a);
	eas_uidset_init(&gone, a);
	eas_uidset_init(&uids, a);
	eas_uidset_subtract(to, from, EAS_COMPARE_TOKENS, &other);
	eas_uidset_subtract(from, to, EAS_COMPARE_UIDS, &gone);
	for (size_t i = 0; i < gone.n; i++)
		eas_uidset_put(&uids, gone.r[i].first, gone.r[i].last, 0);
	eas_uidset_encode(&other, out);
	eas_uidset_encode(&uids, out);
}

void eas_collection_encode(const struct eas_collection_state *c, struct buf *out)
{
	buf_add_byte(out, FORMAT);
	eas_put_number(out, c->epoch);
	eas_put_number(out, c->uidvalidity);
	eas_put_number(out, c->replays);
	eas_put_number(out, c->filter);
	eas_put_number(out, c->conflict);
	put_bytes(out, c->item_options);
	put_generation(out, &c->now);
	eas_uidset_encode(&c->now.have, out);
	eas_put_number(out, c->has_before);
	if (c->has_before) {
		put_generation(out, &c->before);
		put_difference(out, c->a, &c->now.have, &c->before.have);
	}
	eas_put_number(out, c->moved_n);
	for (size_t i = 0; i < c->moved_n; i++) {
		eas_put_number(out, c->moved[i].uid);
		eas_put_number(out, c->moved[i].to_uid);
		put_bytes(out, span_of(c->moved[i].to_folder));
	}
}

/* ---- and in ---- */

/* What is being read; r keeps the first error, and then all numbers are 0. */
struct reading {
	struct span in;
	struct arena *a;
	int r;
};

static uint64_t take(struct reading *rd, uint64_t max)
{
	uint64_t v = 0;

	if (rd->r == 0)
		rd->r = eas_take_number(&rd->in, &v);
	if (rd->r == 0 && v > max)
		rd->r = -POD_E_CORRUPT;
	return rd->r == 0 ? v : 0;
}

static const char *take_string(struct reading *rd)
{
	size_t len = take(rd, STRING_MAX);
	const char *s;

	if (rd->r == 0 && len > rd->in.len)
		rd->r = -POD_E_CORRUPT;
	if (rd->r < 0)
		return "";
	s = arena_str(rd->a, span_head(rd->in, len));
	rd->in = span_skip(rd->in, len);
	if (s && strlen(s) == len)
		return s;
	rd->r = s ? -POD_E_CORRUPT : -POD_E_NOMEM;
	return "";
}

static struct span take_bytes(struct reading *rd)
{
	size_t len = take(rd, STRING_MAX);
	struct span s;

	if (rd->r == 0 && len > rd->in.len)
		rd->r = -POD_E_CORRUPT;
	if (rd->r < 0 || len == 0)
		return SPAN_NONE;
	s = arena_dup(rd->a, span_head(rd->in, len));
	if (!s.p)
		rd->r = -POD_E_NOMEM;
	rd->in = span_skip(rd->in, len);
	return s;
}

static void take_set(struct reading *rd, struct eas_uidset *ret)
{
	if (rd->r == 0)
		rd->r = eas_uidset_decode(&rd->in, ret);
}

static void take_generation(struct reading *rd, struct eas_generation *g)
{
	struct eas_uidset *sets[SETS];
	size_t n;

	eas_generation_init(g, rd->a);
	g->number = take(rd, UINT64_MAX);
	g->watermark = take(rd, UINT64_MAX);
	g->cutoff = (int64_t) take(rd, INT64_MAX);
	g->filter = (unsigned int) take(rd, UINT8_MAX);
	g->listed = take(rd, 1);
	sets_of(g, sets);
	for (size_t i = 0; i < SETS; i++)
		take_set(rd, sets[i]);
	n = take(rd, CLIENT_ADDS_MAX);
	for (size_t i = 0; rd->r == 0 && i < n; i++) {
		struct eas_client_add add = { .client_id = take_string(rd) };

		add.uid = (uint32_t) take(rd, UINT32_MAX);
		add.status = (uint32_t) take(rd, UINT16_MAX);
		if (rd->r == 0)
			rd->r = eas_generation_remember_add(g, rd->a, &add);
	}
}

static void take_difference(struct reading *rd, const struct eas_uidset *from, struct eas_uidset *to)
{
	struct eas_uidset other, gone;

	eas_uidset_init(&other, rd->a);
	eas_uidset_init(&gone, rd->a);
	take_set(rd, &other);
	take_set(rd, &gone);
	if (rd->r < 0)
		return;
	eas_uidset_copy(to, from);
	for (size_t i = 0; i < gone.n; i++)
		eas_uidset_remove(to, gone.r[i].first, gone.r[i].last);
	for (size_t i = 0; i < other.n; i++)
		eas_uidset_put(to, other.r[i].first, other.r[i].last, other.r[i].token);
	if (to->failed)
		rd->r = -POD_E_NOMEM;
}

static void take_moves(struct reading *rd, struct eas_collection_state *c)
{
	size_t n = take(rd, EAS_MOVED_MAX);

	for (size_t i = 0; rd->r == 0 && i < n; i++) {
		struct eas_moved m = { .uid = (uint32_t) take(rd, UINT32_MAX) };

		m.to_uid = (uint32_t) take(rd, UINT32_MAX);
		m.to_folder = take_string(rd);
		if (rd->r == 0)
			rd->r = eas_collection_moved(c, &m);
	}
}

int eas_collection_decode(struct span bytes, struct arena *a, struct eas_collection_state *ret)
{
	struct reading rd = { span_skip(bytes, 1), a, 0 };
	struct eas_collection_state c;

	if (bytes.len == 0 || bytes.p[0] != FORMAT)
		return -POD_E_CORRUPT;
	eas_collection_init(&c, a);
	c.epoch = take(&rd, UINT64_MAX);
	c.uidvalidity = (uint32_t) take(&rd, UINT32_MAX);
	c.replays = (unsigned int) take(&rd, UINT32_MAX);
	c.filter = (unsigned int) take(&rd, UINT8_MAX);
	c.conflict = (unsigned int) take(&rd, 1);
	c.item_options = take_bytes(&rd);
	take_generation(&rd, &c.now);
	take_set(&rd, &c.now.have);
	c.has_before = take(&rd, 1);
	if (c.has_before) {
		take_generation(&rd, &c.before);
		take_difference(&rd, &c.now.have, &c.before.have);
	}
	take_moves(&rd, &c);
	if (rd.r == 0 && rd.in.len)
		rd.r = -POD_E_CORRUPT;
	if (rd.r < 0)
		return rd.r;
	*ret = c;
	return 0;
}
