#include "imapd/eas/item/notes.h"

#include "base/cleanup.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/item/note_table.h"

/* How often a change is tried that another one got ahead of. */
#define TRIES 5

int eas_notes_get(struct eas_request *rq, struct arena *a, struct span guid, struct eas_note *ret_note)
{
	char name[EAS_NOTE_TABLE_NAME];
	struct account_state table = { .name = name };
	int r;

	if (guid.len == 0)
		return -POD_E_NOTFOUND;
	eas_note_table_name(guid, name);
	r = account_state_get(rq->account, a, &table, NULL);
	return r == 0 ? eas_note_table_find(table.value, guid, ret_note) : r;
}

static int try_put(struct eas_request *rq, struct span guid, const struct eas_note *note)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4u << 20);
	_cleanup_buf_ struct buf after = BUF_INIT;
	char name[EAS_NOTE_TABLE_NAME];
	struct account_state table = { .name = name };
	struct eas_note before;
	int r;

	if (!a)
		return -POD_E_NOMEM;
	eas_note_table_name(guid, name);
	r = account_state_get(rq->account, a, &table, NULL);
	if (r < 0 || (!note && eas_note_table_find(table.value, guid, &before) == -POD_E_NOTFOUND))
		return r;
	eas_note_table_put(table.value, guid, note, &after);
	return account_state_put(rq->account, a, &table, after.failed ? SPAN_NONE : buf_span(&after), NULL);
}

int eas_notes_put(struct eas_request *rq, struct span guid, const struct eas_note *note)
{
	int r = guid.len > 0 ? -POD_E_CONFLICT : 0;

	for (int i = 0; r == -POD_E_CONFLICT && i < TRIES; i++)
		r = try_put(rq, guid, note);
	return r;
}
