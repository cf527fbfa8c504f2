#include "imapd/eas/sync/states.h"

#include "imapd/eas/eas.h"

const char *eas_state_name_last_sync(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/sync", rq->device_id);
}

const char *eas_state_name_ping(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/ping", rq->device_id);
}

static void take_entry(struct eas_state *states, size_t n, const Podstore__StateEntry *e)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(states[i].name, e->name) == 0) {
			states[i].version = e->version;
			states[i].value = span_make(e->value.data, e->value.len);
		}
}

int eas_states_load(struct eas_request *rq, struct eas_state *states, size_t n, struct err *err)
{
	Podstore__StateGet m = PODSTORE__STATE_GET__INIT;
	const ProtobufCMessage *message = NULL;
	const Podstore__StateGetReply *reply;
	int r;

	m.names = arena_array(rq->a, n + 1, sizeof(*m.names));
	if (!m.names)
		return err_set(err, POD_E_NOMEM, "states");
	for (size_t i = 0; i < n; i++)
		m.names[i] = (char *) (uintptr_t) states[i].name;
	m.n_names = n;
	r = account_call(rq->account, rq->a, STORE_STATE_GET, &m.base, &message, err);
	if (r < 0)
		return r;
	reply = (const Podstore__StateGetReply *) message;
	for (size_t i = 0; i < reply->n_entries; i++)
		take_entry(states, n, reply->entries[i]);
	return 0;
}

static Podstore__StateChange *change_of(struct arena *a, const struct eas_state *s)
{
	Podstore__StateChange *c = arena_new(a, Podstore__StateChange);

	if (!c)
		return NULL;
	podstore__state_change__init(c);
	c->name = (char *) (uintptr_t) s->name;
	c->value = (ProtobufCBinaryData){ s->value.len, (uint8_t *) (uintptr_t) s->value.p };
	c->remove = s->remove;
	c->expects = true;
	c->version = s->version;
	return c;
}

int eas_states_save(struct eas_request *rq, struct eas_state *states, size_t n, struct err *err)
{
	Podstore__StatePut m = PODSTORE__STATE_PUT__INIT;

	m.changes = arena_array(rq->a, n + 1, sizeof(*m.changes));
	if (!m.changes)
		return err_set(err, POD_E_NOMEM, "states");
	for (size_t i = 0; i < n; i++) {
		if (!states[i].write)
			continue;
		m.changes[m.n_changes] = change_of(rq->a, &states[i]);
		if (!m.changes[m.n_changes++])
			return err_set(err, POD_E_NOMEM, "states");
	}
	return m.n_changes ? account_call(rq->account, rq->a, STORE_STATE_PUT, &m.base, NULL, err) : 0;
}
