#include "imapd/eas/sync/conversations.h"

#include <stdlib.h>

#include "imapd/eas/eas.h"
#include "imapd/eas/item/headers.h"

#define COLUMNS     (STORE_COL_FLAGS | STORE_COL_MODSEQ | STORE_COL_INTERNAL_DATE | STORE_COL_HEADERS)
#define SCRATCH_MAX (1u << 20)
#define ROWS_MEMORY ((size_t) 256 << 20)

/* A message, and what conversation it is of. */
struct member {
	struct eas_row row;
	uint8_t conversation[EAS_CONVERSATION_ID_SIZE];
};

struct members {
	struct arena *a, *scratch;
	struct member *items; /* by uid */
	size_t n, cap;
	int r;
};

static int add(struct members *m, const Podstore__Rows *rows, size_t i)
{
	struct member *to;
	int r;

	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 256;
		struct member *grown = arena_grow(m->a, m->items, m->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		m->items = grown;
		m->cap = cap;
	}
	to = &m->items[m->n];
	to->row =
		(struct eas_row){ rows->uids[i], rows->flags[i], rows->modseqs[i], rows->internal_dates[i] };
	arena_reset(m->scratch);
	r = eas_conversation_id(m->scratch, span_make(rows->headers[i].data, rows->headers[i].len),
	                        to->conversation);
	m->n += r == 0;
	return r;
}

static void on_part(void *arg, const struct store_reply *part)
{
	struct members *m = arg;
	const Podstore__Rows *rows = (const Podstore__Rows *) part->message;

	if (!rows || rows->base.descriptor != &podstore__rows__descriptor || m->r < 0)
		return;
	if (rows->n_flags != rows->n_uids || rows->n_modseqs != rows->n_uids ||
	    rows->n_internal_dates != rows->n_uids || rows->n_headers != rows->n_uids)
		m->r = -POD_E_PROTOCOL;
	for (size_t i = 0; m->r == 0 && i < rows->n_uids; i++)
		m->r = add(m, rows, i);
}

static int by_conversation(const void *a, const void *b)
{
	return memcmp(a, b, EAS_CONVERSATION_ID_SIZE);
}

/* Of all that is within the filter the conversations, in order. */
static uint8_t (*conversations_within(const struct members *m, int64_t cutoff,
                                      size_t *ret_n))[EAS_CONVERSATION_ID_SIZE]
{
	uint8_t(*ids)[EAS_CONVERSATION_ID_SIZE] = arena_array(m->a, m->n + 1, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; ids && i < m->n; i++)
		if (m->items[i].row.date >= cutoff && !eas_engine_is_deleted(m->items[i].row.flags))
			memcpy(ids[n++], m->items[i].conversation, sizeof(*ids));
	if (ids)
		qsort(ids, n, sizeof(*ids), by_conversation);
	*ret_n = n;
	return ids;
}

/* The engine knows dates alone: an old message of such a conversation counts as one of the filter's first
 * day. */
static int list(const struct members *m, struct eas_listing *listing)
{
	int64_t cutoff = listing->g->cutoff;
	size_t n;
	uint8_t(*ids)[EAS_CONVERSATION_ID_SIZE] = conversations_within(m, cutoff, &n);

	if (!ids)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < m->n; i++) {
		struct eas_row row = m->items[i].row;

		if (row.date < cutoff &&
		    bsearch(m->items[i].conversation, ids, n, sizeof(*ids), by_conversation))
			row.date = cutoff;
		eas_engine_list_row(listing, &row);
	}
	return 0;
}

static int fetch(struct eas_request *rq, const struct eas_sync_folder *folder, struct members *m,
                 struct err *err)
{
	Podstore__UidRange all = PODSTORE__UID_RANGE__INIT, *ranges = &all;
	Podstore__Fetch request = PODSTORE__FETCH__INIT;
	int r;

	all.first = 1;
	all.last = UINT32_MAX;
	request.mailbox = folder->place.mailbox;
	request.uids = &ranges;
	request.n_uids = 1;
	request.columns = COLUMNS;
	r = account_call_parts(rq->account, rq->a, STORE_FETCH, &request.base, on_part, m, err);
	return r == 0 && m->r < 0 ? err_set(err, (enum pod_error) - m->r, "rows of the store") : r;
}

int eas_look_conversations(struct eas_request *rq, const struct eas_sync_folder *folder,
                           struct eas_listing *listing, size_t *ret_rows, struct err *err)
{
	struct members m = { .a = arena_create(ROWS_MEMORY), .scratch = arena_create(SCRATCH_MAX) };
	int r = m.a && m.scratch ? fetch(rq, folder, &m, err) : err_set(err, POD_E_NOMEM, "conversations");

	if (r == 0 && list(&m, listing) < 0)
		r = err_set(err, POD_E_NOMEM, "conversations");
	if (r == 0)
		eas_engine_list_end(listing, folder->modseq);
	*ret_rows = m.n;
	(void) arena_free(m.scratch);
	(void) arena_free(m.a);
	return r;
}
