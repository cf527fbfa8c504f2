#include "imapd/eas/sync/conversations.h"

#include <stdlib.h>

#include "imapd/eas/eas.h"
#include "imapd/eas/item/headers.h"
#include "imapd/eas/sync/rows.h"

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
};

static int add(void *arg, const struct eas_row *row, struct span headers)
{
	struct members *m = arg;
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
	to->row = *row;
	arena_reset(m->scratch);
	r = eas_conversation_id(m->scratch, headers, to->conversation);
	m->n += r == 0;
	return r;
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

int eas_look_conversations(struct eas_request *rq, const struct eas_sync_folder *folder,
                           struct eas_listing *listing, size_t *ret_rows, struct err *err)
{
	struct members m = { .a = arena_create(ROWS_MEMORY), .scratch = arena_create(SCRATCH_MAX) };
	int r = m.a && m.scratch
	                ? eas_sync_rows_all(rq, folder, EAS_SYNC_COLUMNS | STORE_COL_HEADERS, add, &m, err)
	                : err_set(err, POD_E_NOMEM, "conversations");

	if (r == 0 && list(&m, listing) < 0)
		r = err_set(err, POD_E_NOMEM, "conversations");
	if (r == 0)
		eas_engine_list_end(listing, folder->modseq);
	*ret_rows = m.n;
	(void) arena_free(m.scratch);
	(void) arena_free(m.a);
	return r;
}
