#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fiber.h"
#include "imapd/account/internal.h"
#include "imapd/metrics.h"

#define AWAY_MAX 64 /* requests that wait for volumes which are away; more are told to come later */

/* A fiber that waits for an answer; on its stack. */
struct waiting {
	struct fiber *fiber;
	struct arena *a;
	account_part_fn *on_part;
	void *arg;
	const ProtobufCMessage **ret_message; /* may be NULL */
	struct err *err;                      /* may be NULL */
	int result;
};

static void *arena_alloc_for_message(void *a, size_t size)
{
	return arena_alloc(a, size);
}

static void arena_free_for_message(void *a, void *p)
{
	/* It goes with the arena. */
}

/* A message of the store client lives only during its callback: a copy, by way of its bytes. */
static int keep_message(struct arena *a, const ProtobufCMessage *m, const ProtobufCMessage **ret_message)
{
	ProtobufCAllocator in_arena = { arena_alloc_for_message, arena_free_for_message, a };
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = malloc(len + 1);
	ProtobufCMessage *copy = NULL;

	if (bytes) {
		(void) protobuf_c_message_pack(m, bytes);
		copy = protobuf_c_message_unpack(m->descriptor, &in_arena, len, bytes);
	}
	free(bytes);
	if (!copy)
		return -POD_E_NOMEM;
	*ret_message = copy;
	return 0;
}

static void on_reply(void *arg, const struct store_reply *reply)
{
	struct waiting *w = arg;

	if (reply->message && w->on_part)
		w->on_part(w->arg, reply);
	if (!reply->final)
		return;
	w->result = reply->code;
	if (reply->code < 0)
		(void) err_set(w->err, (enum pod_error) - reply->code, "%s",
		               *reply->text ? reply->text : err_code_text(reply->code));
	else if (w->ret_message && reply->message)
		w->result = keep_message(w->a, reply->message, w->ret_message);
	fiber_resume(w->fiber);
}

/*
 * The store was there, and is not: a failover, which takes seconds or longer. Those who wait for it are in
 * turns that users of other volumes want to have.
 */
static bool is_away(struct store_client *client)
{
	return store_client_connections(client) > 0 && !store_client_is_connected(client);
}

static int may_wait(const struct accounts *as, struct store_client *client, struct err *err)
{
	return is_away(client) && as->away >= AWAY_MAX
	               ? err_set(err, POD_E_UNAVAILABLE, "the volume is away, and %u requests wait already",
	                         as->away)
	               : 0;
}

static int wait_for(struct accounts *as, struct store_client *client, const struct waiting *w)
{
	unsigned int away = is_away(client);

	as->away += away;
	fiber_suspend();
	as->away -= away;
	return w->result;
}

int store_ask(struct accounts *as, struct store_client *client, struct arena *a, enum store_method method,
              const ProtobufCMessage *request, unsigned int timeout_ms, const ProtobufCMessage **ret_message,
              struct err *err)
{
	struct waiting w = { .fiber = fiber_self(), .a = a, .ret_message = ret_message, .err = err };
	int r = may_wait(as, client, err);

	if (r < 0)
		return r;
	if (!store_call(client, method, request, SPAN_NONE, -1, timeout_ms, on_reply, &w))
		return err_set(err, POD_E_NOMEM, "a request to the store");
	return wait_for(as, client, &w);
}

/* What is asked, beside who waits. */
struct asking {
	enum store_method method;
	ProtobufCMessage *request;
	struct span blob;
	int fd;
};

static int ask_in_session(struct account *ac, const struct asking *q, struct waiting *w)
{
	int r = may_wait(ac->owner, ac->client, w->err);

	if (r < 0)
		return r;
	w->fiber = fiber_self();
	metric_add(IMAPD_STORE_REQUESTS, 1);
	if (!store_session_call(ac->session, q->method, q->request, q->blob, q->fd, on_reply, w))
		return err_set(w->err, POD_E_NOMEM, "a request to the store");
	return wait_for(ac->owner, ac->client, w);
}

int account_call(struct account *ac, struct arena *a, enum store_method method, ProtobufCMessage *request,
                 const ProtobufCMessage **ret_message, struct err *err)
{
	return account_call_body(ac, a, method, request, SPAN_NONE, -1, ret_message, err);
}

int account_call_body(struct account *ac, struct arena *a, enum store_method method,
                      ProtobufCMessage *request, struct span blob, int fd,
                      const ProtobufCMessage **ret_message, struct err *err)
{
	struct asking q = { method, request, blob, fd };
	struct waiting w = { .a = a, .ret_message = ret_message, .err = err };

	return ask_in_session(ac, &q, &w);
}

int account_call_parts(struct account *ac, struct arena *a, enum store_method method,
                       ProtobufCMessage *request, account_part_fn *on_part, void *arg, struct err *err)
{
	struct asking q = { method, request, SPAN_NONE, -1 };
	struct waiting w = { .a = a, .on_part = on_part, .arg = arg, .err = err };

	return ask_in_session(ac, &q, &w);
}
