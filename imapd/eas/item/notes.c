#include "imapd/eas/item/notes.h"

#include "base/cleanup.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/item/note_table.h"

/* How often a change is tried that another one got ahead of. */
#define TRIES 5

/* The table and its version; an empty one where there is none. Text in a. */
static int get_table(struct eas_request *rq, struct arena *a, char *name, struct span *ret_table,
                     uint64_t *ret_version)
{
	Podstore__StateGet get = PODSTORE__STATE_GET__INIT;
	const Podstore__StateGetReply *reply;
	const ProtobufCMessage *message;
	int r;

	get.n_names = 1;
	get.names = &name;
	r = account_call(rq->account, a, STORE_STATE_GET, &get.base, &message, NULL);
	if (r < 0)
		return r;
	reply = (const Podstore__StateGetReply *) message;
	*ret_table = SPAN_NONE;
	*ret_version = 0;
	if (reply->n_entries > 0) {
		*ret_table = span_make(reply->entries[0]->value.data, reply->entries[0]->value.len);
		*ret_version = reply->entries[0]->version;
	}
	return 0;
}

int eas_notes_get(struct eas_request *rq, struct arena *a, struct span guid, struct eas_note *ret_note)
{
	char name[EAS_NOTE_TABLE_NAME];
	struct span table;
	uint64_t version;
	int r;

	if (guid.len == 0)
		return -POD_E_NOTFOUND;
	eas_note_table_name(guid, name);
	r = get_table(rq, a, name, &table, &version);
	return r == 0 ? eas_note_table_find(table, guid, ret_note) : r;
}

static int put_table(struct eas_request *rq, struct arena *a, char *name, struct buf *table, uint64_t version)
{
	Podstore__StatePut put = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT;
	Podstore__StateChange *changes[] = { &change };

	if (table->failed)
		return -POD_E_NOMEM;
	change.name = name;
	change.value.data = table->p;
	change.value.len = table->len;
	change.expects = true;
	change.version = version;
	put.n_changes = 1;
	put.changes = changes;
	return account_call(rq->account, a, STORE_STATE_PUT, &put.base, NULL, NULL);
}

static int try_put(struct eas_request *rq, struct span guid, const struct eas_note *note)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4u << 20);
	_cleanup_buf_ struct buf after = BUF_INIT;
	char name[EAS_NOTE_TABLE_NAME];
	struct eas_note before;
	struct span table;
	uint64_t version;
	int r;

	if (!a)
		return -POD_E_NOMEM;
	eas_note_table_name(guid, name);
	r = get_table(rq, a, name, &table, &version);
	if (r < 0 || (!note && eas_note_table_find(table, guid, &before) == -POD_E_NOTFOUND))
		return r;
	eas_note_table_put(table, guid, note, &after);
	return put_table(rq, a, name, &after, version);
}

int eas_notes_put(struct eas_request *rq, struct span guid, const struct eas_note *note)
{
	int r = guid.len > 0 ? -POD_E_CONFLICT : 0;

	for (int i = 0; r == -POD_E_CONFLICT && i < TRIES; i++)
		r = try_put(rq, guid, note);
	return r;
}
