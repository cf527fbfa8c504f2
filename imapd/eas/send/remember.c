#include "imapd/eas/send/remember.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/send/memory.h"

#define TRIES 5 /* against other requests of the device */

static const char *state_name(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/sent", rq->device_id);
}

static int read_memory(struct eas_request *rq, struct sent_memory *m, struct account_state *s,
                       struct err *err)
{
	int r;

	*s = (struct account_state){ .name = state_name(rq) };
	r = account_state_get(rq->account, rq->a, s, err);
	if (r == 0 && sent_memory_unpack(s->value, m) < 0) {
		/* A memory that cannot be read is begun anew: mail must not wait for it. */
		log_event(&rq->log, LOGL_ERROR, "eas.sent_memory_damaged");
		m->n = 0;
	}
	return r;
}

static int write_memory(struct eas_request *rq, const struct sent_memory *m, struct account_state *s,
                        struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT;

	sent_memory_pack(m, &value);
	return account_state_put(rq->account, rq->a, s, value.failed ? SPAN_NONE : buf_span(&value), err);
}

static int begin_once(struct eas_request *rq, struct sending_id *s, struct err *err)
{
	struct sent_memory *m = arena_new(rq->a, struct sent_memory);
	struct account_state state;
	struct sent_entry *e;
	int r = m ? read_memory(rq, m, &state, err) : err_set(err, POD_E_NOMEM, "memory of what was sent");

	if (r < 0)
		return r;
	e = sent_memory_find(m, s->client_id);
	if (!e) {
		s->id = guid_new();
		(void) sent_memory_add(m, s->client_id, &s->id, clock_wall_s());
		return write_memory(rq, m, &state, err);
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
	struct account_state state;

	if (!m || read_memory(rq, m, &state, NULL) < 0)
		return false;
	e = sent_memory_find(m, client_id);
	return e && e->done;
}

static int note_done(struct eas_request *rq, const struct sending_id *s, struct err *err)
{
	struct sent_memory *m = arena_new(rq->a, struct sent_memory);
	struct account_state state;
	struct sent_entry *e;
	int r = m ? read_memory(rq, m, &state, err) : err_set(err, POD_E_NOMEM, "memory of what was sent");

	if (r < 0)
		return r;
	e = sent_memory_find(m, s->client_id);
	if (!e)
		e = sent_memory_add(m, s->client_id, &s->id, clock_wall_s());
	e->done = true;
	return write_memory(rq, m, &state, err);
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
