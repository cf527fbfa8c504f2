#include "imapd/eas/sync/look.h"

#include <stdlib.h>

#include "base/clock.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/sync/conversations.h"
#include "imapd/eas/sync/filter.h"
#include "imapd/eas/sync/rows.h"

/* ---- for the engine ---- */

struct refreshing {
	struct eas_generation *g;
	struct eas_listing listing;
	bool gone;
	int r;
	size_t rows;
};

static int take_listed(void *arg, const struct eas_row *row, struct span headers)
{
	struct refreshing *f = arg;

	eas_engine_list_row(&f->listing, row);
	f->rows++;
	return 0;
}

static int take_changed(void *arg, const struct eas_row *row, struct span headers)
{
	struct refreshing *f = arg;

	eas_engine_row(f->g, row);
	f->rows++;
	return 0;
}

/* The log did not reach back: whatever the device has that is not among these is gone. */
static void take_all_uids(struct eas_generation *g, Podstore__UidRange *const *ranges, size_t n)
{
	uint64_t next = 1;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i]->first > next)
			eas_engine_vanished(g, (uint32_t) next, ranges[i]->first - 1);
		next = (uint64_t) ranges[i]->last + 1;
	}
	if (next <= UINT32_MAX)
		eas_engine_vanished(g, (uint32_t) next, UINT32_MAX);
}

static void take_changes(struct refreshing *f, const Podstore__ChangesReply *c)
{
	f->gone = c->mailbox_gone;
	if (f->gone)
		return;
	if (c->vanished_incomplete)
		take_all_uids(f->g, c->uids, c->n_uids);
	for (size_t i = 0; i < c->n_vanished; i++)
		eas_engine_vanished(f->g, c->vanished[i]->first, c->vanished[i]->last);
	eas_engine_seen_until(f->g, c->highestmodseq);
}

static void on_part(void *arg, const struct store_reply *part)
{
	struct refreshing *f = arg;
	const ProtobufCMessage *m = part->message;

	if (f->r == 0 && m && m->descriptor == &podstore__rows__descriptor)
		f->r = eas_sync_rows_take((const Podstore__Rows *) m, EAS_SYNC_COLUMNS, take_changed, f);
	else if (m && m->descriptor == &podstore__changes_reply__descriptor)
		take_changes(f, (const Podstore__ChangesReply *) m);
}

static int list_all(struct eas_request *rq, const struct eas_sync_folder *folder, struct refreshing *f,
                    struct err *err)
{
	int r = eas_sync_rows_all(rq, folder, EAS_SYNC_COLUMNS, take_listed, f, err);

	if (r == 0)
		eas_engine_list_end(&f->listing, folder->modseq);
	return r;
}

static int list_changes(struct eas_request *rq, const struct eas_sync_folder *folder, struct refreshing *f,
                        struct err *err)
{
	Podstore__Changes m = PODSTORE__CHANGES__INIT;
	int r;

	m.mailbox = folder->place.mailbox;
	m.since = f->g->watermark;
	m.columns = EAS_SYNC_COLUMNS;
	r = account_call_parts(rq->account, rq->a, STORE_CHANGES, &m.base, on_part, f, err);
	return r == 0 && f->r < 0 ? err_set(err, (enum pod_error) - f->r, "rows of the store") : r;
}

int eas_look_refresh(struct eas_request *rq, const struct eas_sync_folder *folder, struct eas_generation *g,
                     unsigned int filter, size_t *ret_rows, struct err *err)
{
	int64_t cutoff = eas_filter_cutoff(filter, clock_wall_s());
	struct refreshing f = { .g = g };
	bool lists = eas_engine_needs_list(g, filter, cutoff);
	bool conversations = cutoff && filter & EAS_FILTER_CONVERSATIONS;
	int r;

	/* What one message has to do with others is not in the log of changes. */
	if (conversations && (lists || folder->modseq > g->watermark)) {
		eas_engine_list_begin(&f.listing, g, filter, cutoff);
		r = eas_look_conversations(rq, folder, &f.listing, &f.rows, err);
	} else if (lists) {
		eas_engine_list_begin(&f.listing, g, filter, cutoff);
		r = list_all(rq, folder, &f, err);
	} else {
		r = list_changes(rq, folder, &f, err);
	}
	*ret_rows = f.rows;
	if (r == 0 && f.gone)
		r = err_set(err, POD_E_NOTFOUND, "the folder is gone");
	return r == 0 && eas_generation_failed(g) ? err_set(err, POD_E_NOMEM, "sync state") : r;
}

/* ---- rows ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

Podstore__UidRange **eas_look_ranges(struct arena *a, const uint32_t *uids, size_t n, size_t *ret_n)
{
	uint32_t *sorted = arena_array(a, n + 1, sizeof(*sorted));
	Podstore__UidRange *ranges = arena_array(a, n + 1, sizeof(*ranges)),
			   **list = arena_array(a, n + 1, sizeof(*list));
	size_t k = 0;

	if (!sorted || !ranges || !list)
		return NULL;
	if (n)
		memcpy(sorted, uids, n * sizeof(*uids));
	qsort(sorted, n, sizeof(*sorted), by_number);
	for (size_t i = 0; i < n; i++) {
		if (k && sorted[i] <= (uint64_t) ranges[k - 1].last + 1) {
			ranges[k - 1].last = sorted[i];
			continue;
		}
		podstore__uid_range__init(&ranges[k]);
		ranges[k].first = ranges[k].last = sorted[i];
		list[k] = &ranges[k];
		k++;
	}
	*ret_n = k;
	return list;
}

struct reading {
	const struct eas_item_place *place;
	struct arena *a;
	struct eas_look_rows *rows;
	size_t cap;
	uint32_t columns;
	int r;
};

static bool keep(struct arena *a, struct span *s)
{
	if (s->len)
		*s = arena_dup(a, *s);
	return !s->len || s->p;
}

static int keep_row(struct reading *rd, const Podstore__Rows *rows, size_t i)
{
	struct eas_look_row *to = &rd->rows->rows[rd->rows->n];
	struct eas_item *item = &to->item;
	int r = rows->n_modseqs == rows->n_uids ? eas_item_of_row(rd->place, rows, i, rd->columns, item)
	                                        : -POD_E_PROTOCOL;

	if (r < 0)
		return r;
	to->modseq = rows->modseqs[i];
	if (!keep(rd->a, &item->bodystructure) || !keep(rd->a, &item->parts) ||
	    !keep(rd->a, &item->headers) || !keep(rd->a, &item->guid))
		return -POD_E_NOMEM;
	rd->rows->n++;
	return 0;
}

static void on_rows(void *arg, const struct store_reply *part)
{
	struct reading *rd = arg;
	const Podstore__Rows *rows = (const Podstore__Rows *) part->message;

	for (size_t i = 0; rd->r == 0 && rows && i < rows->n_uids; i++)
		rd->r = rd->rows->n < rd->cap ? keep_row(rd, rows, i) : -POD_E_PROTOCOL;
}

int eas_look_rows(struct eas_request *rq, struct arena *a, const struct eas_item_place *place,
                  const uint32_t *uids, size_t n, uint32_t columns, struct eas_look_rows *ret,
                  struct err *err)
{
	struct reading rd = {
		.place = place, .a = a, .rows = ret, .cap = n, .columns = columns | STORE_COL_MODSEQ
	};
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	int r;

	*ret = (struct eas_look_rows){ .rows = arena_array(a, n + 1, sizeof(*ret->rows)) };
	m.uids = eas_look_ranges(a, uids, n, &m.n_uids);
	if (!ret->rows || !m.uids)
		return err_set(err, POD_E_NOMEM, "rows");
	if (n == 0)
		return 0;
	m.mailbox = place->mailbox;
	m.columns = rd.columns;
	r = account_call_parts(rq->account, rq->a, STORE_FETCH, &m.base, on_rows, &rd, err);
	return r == 0 && rd.r < 0 ? err_set(err, (enum pod_error) - rd.r, "rows of the store") : r;
}

const struct eas_look_row *eas_look_find(const struct eas_look_rows *rows, uint32_t uid)
{
	size_t lo = 0, hi = rows->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		uint32_t at = rows->rows[mid].item.uid;

		if (at == uid)
			return &rows->rows[mid];
		if (at < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
