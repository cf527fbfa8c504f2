#include "imapd/eas/send/remember.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/send/memory.h"

#define TRIES 5 /* against other requests of the device */

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

static const char *state_name(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/sent", rq->device_id);
}

static int read_memory(struct eas_request *rq, struct sent_memory *m, uint64_t *ret_version, struct err *err)
{
	Podstore__StateGet request = PODSTORE__STATE_GET__INIT;
	const ProtobufCMessage *answer = NULL;
	const Podstore__StateGetReply *reply;
	char *name = unconst(state_name(rq));
	int r;

	if (!name)
		return err_set(err, POD_E_NOMEM, "memory of what was sent");
	request.n_names = 1;
	request.names = &name;
	r = account_call(rq->account, rq->a, STORE_STATE_GET, &request.base, &answer, err);
	if (r < 0)
		return r;
	reply = (const Podstore__StateGetReply *) answer;
	*ret_version = reply->n_entries ? reply->entries[0]->version : 0;
	r = reply->n_entries
	            ? sent_memory_unpack(
			      span_make(reply->entries[0]->value.data, reply->entries[0]->value.len), m)
	            : sent_memory_unpack(SPAN_NONE, m);
	if (r < 0) {
		/* A memory that cannot be read is begun anew: mail must not wait for it. */
		log_event(&rq->log, LOGL_ERROR, "eas.sent_memory_damaged");
		m->n = 0;
	}
	return 0;
}

static int write_memory(struct eas_request *rq, const struct sent_memory *m, uint64_t version,
                        struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;

	sent_memory_pack(m, &value);
	change.name = unconst(state_name(rq));
	if (value.failed || !change.name)
		return err_set(err, POD_E_NOMEM, "memory of what was sent");
	change.value = (ProtobufCBinaryData){ value.len, value.p };
	change.expects = true;
	change.version = version;
	request.n_changes = 1;
	request.changes = &changes;
	return account_call(rq->account, rq->a, STORE_STATE_PUT, &request.base, NULL, err);
}

static int begin_once(struct eas_request *rq, struct sending_id *s, struct err *err)
{
	struct sent_memory *m = arena_new(rq->a, struct sent_memory);
	struct sent_entry *e;
	uint64_t version = 0;
	int r = m ? read_memory(rq, m, &version, err) : err_set(err, POD_E_NOMEM, "memory of what was sent");

	if (r < 0)
		return r;
	e = sent_memory_find(m, s->client_id);
	if (!e) {
		s->id = guid_new();
		(void) sent_memory_add(m, s->client_id, &s->id, clock_wall_s());
		return write_memory(rq, m, version, err);
	}
	s->id = e->id;
	s->done = e->done;
	return 0;
}

int sending_begin(struct eas_request *rq, struct sending_id *s, struct err *err)
{
	int r = -POD_E_CONFLICT;

	s->done = false;
	if (!s->client_id.len) {
		s->id = guid_new();
		return 0;
	}
	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++)
		r = begin_once(rq, s, err);
	return r;
}

bool sending_was_done(struct eas_request *rq, struct span client_id)
{
	struct sent_memory *m = arena_new(rq->a, struct sent_memory);
	const struct sent_entry *e;
	uint64_t version;

	if (!m || read_memory(rq, m, &version, NULL) < 0)
		return false;
	e = sent_memory_find(m, client_id);
	return e && e->done;
}

static int note_done(struct eas_request *rq, const struct sending_id *s, struct err *err)
{
	struct sent_memory *m = arena_new(rq->a, struct sent_memory);
	struct sent_entry *e;
	uint64_t version = 0;
	int r = m ? read_memory(rq, m, &version, err) : err_set(err, POD_E_NOMEM, "memory of what was sent");

	if (r < 0)
		return r;
	e = sent_memory_find(m, s->client_id);
	if (!e)
		e = sent_memory_add(m, s->client_id, &s->id, clock_wall_s());
	e->done = true;
	return write_memory(rq, m, version, err);
}

void sending_done(struct eas_request *rq, const struct sending_id *s)
{
	struct err err = { 0 };
	int r = s->client_id.len ? -POD_E_CONFLICT : 0;

	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++)
		r = note_done(rq, s, &err);
	if (r < 0)
		log_event(&rq->log, LOGL_WARNING, "eas.sent_not_noted", F_ERR(&err));
}
