#include "imapd/account/account.h"

#define REMOVED_AT_ONCE 32

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

int account_state_get(struct account *ac, struct arena *a, struct account_state *s, struct err *err)
{
	Podstore__StateGet request = PODSTORE__STATE_GET__INIT;
	const ProtobufCMessage *message = NULL;
	const Podstore__StateGetReply *reply;
	char *name = unconst(s->name);
	int r;

	if (!name)
		return err_set(err, POD_E_NOMEM, "a state");
	request.n_names = 1;
	request.names = &name;
	r = account_call(ac, a, STORE_STATE_GET, &request.base, &message, err);
	if (r < 0)
		return r;
	reply = (const Podstore__StateGetReply *) message;
	s->version = 0;
	s->value = SPAN_NONE;
	if (reply->n_entries > 0) {
		s->version = reply->entries[0]->version;
		s->value = span_make(reply->entries[0]->value.data, reply->entries[0]->value.len);
	}
	return 0;
}

int account_state_put(struct account *ac, struct arena *a, struct account_state *s, struct span value,
                      struct err *err)
{
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;
	const ProtobufCMessage *message = NULL;
	int r;

	if (!s->name || !value.p)
		return err_set(err, POD_E_NOMEM, "a state");
	change.name = unconst(s->name);
	change.value = (ProtobufCBinaryData){ value.len, (uint8_t *) (uintptr_t) value.p };
	change.expects = true;
	change.version = s->version;
	request.n_changes = 1;
	request.changes = &changes;
	r = account_call(ac, a, STORE_STATE_PUT, &request.base, &message, err);
	if (r == 0)
		s->version = ((const Podstore__StatePutReply *) message)->versions[0];
	return r;
}

static int remove_some(struct account *ac, struct arena *a, const char *const *names, size_t n,
                       struct err *err)
{
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange changes[REMOVED_AT_ONCE], *list[REMOVED_AT_ONCE];

	for (size_t i = 0; i < n; i++) {
		podstore__state_change__init(&changes[i]);
		changes[i].name = unconst(names[i]);
		changes[i].remove = true;
		list[i] = &changes[i];
	}
	request.n_changes = n;
	request.changes = list;
	return account_call(ac, a, STORE_STATE_PUT, &request.base, NULL, err);
}

int account_states_remove(struct account *ac, struct arena *a, const char *const *names, size_t n,
                          struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i += REMOVED_AT_ONCE)
		r = remove_some(ac, a, names + i, n - i < REMOVED_AT_ONCE ? n - i : REMOVED_AT_ONCE, err);
	return r;
}
