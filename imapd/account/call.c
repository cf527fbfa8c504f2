#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fiber.h"
#include "imapd/account/internal.h"
#include "imapd/metrics.h"

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

static int wait_for(const struct waiting *w)
{
	fiber_suspend();
	return w->result;
}

int store_ask(struct store_client *client, struct arena *a, enum store_method method,
              const ProtobufCMessage *request, unsigned int timeout_ms, const ProtobufCMessage **ret_message,
              struct err *err)
{
	struct waiting w = { .fiber = fiber_self(), .a = a, .ret_message = ret_message, .err = err };

	if (!store_call(client, method, request, SPAN_NONE, -1, timeout_ms, on_reply, &w))
		return err_set(err, POD_E_NOMEM, "a request to the store");
	return wait_for(&w);
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
	w->fiber = fiber_self();
	metric_add(IMAPD_STORE_REQUESTS, 1);
	if (!store_session_call(ac->session, q->method, q->request, q->blob, q->fd, on_reply, w))
		return err_set(w->err, POD_E_NOMEM, "a request to the store");
	return wait_for(w);
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
