#include "storeproto/client.h"

#include "storeproto/codec_internal.h"

struct waiter {
	struct event_base *base;
	struct arena *a;
	const ProtobufCMessage *message;
	struct err err;
	int r;
};

/* The answer lives during the callback only; by packing and unpacking it moves into the caller's arena. */
static int keep(struct waiter *w, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = arena_alloc(w->a, size);

	if (!bytes)
		return err_set(&w->err, POD_E_NOMEM, "no memory for an answer of %zu bytes", size);
	w->message = message_unpack(w->a, m->descriptor, span_make(bytes, protobuf_c_message_pack(m, bytes)));
	return w->message ? 0 : err_set(&w->err, POD_E_NOMEM, "no memory for an answer of %zu bytes", size);
}

static void on_reply(void *arg, const struct store_reply *r)
{
	struct waiter *w = arg;

	if (r->code < 0)
		w->r = err_set(&w->err, (enum pod_error) -r->code, "%s", r->text);
	else if (r->final)
		w->r = keep(w, r->message);
	if (r->final)
		(void) event_base_loopbreak(w->base);
}

int store_call_wait(const struct store_client_options *o, enum store_method method, const ProtobufCMessage *request,
                    struct arena *a, unsigned int timeout_ms, const ProtobufCMessage **ret_message, struct err *err)
{
	struct waiter w = { .base = event_base_new(), .a = a, .r = -POD_E_INTERNAL };
	struct store_client_options own = *o;
	struct store_client *c = NULL;
	int r;

	if (!w.base)
		return err_set(err, POD_E_NOMEM, "no event loop");
	own.base = w.base;
	r = store_client_create(&own, &c, err);
	if (r == 0 && !store_call(c, method, request, SPAN_NONE, -1, timeout_ms, on_reply, &w))
		r = err_set(err, POD_E_NOMEM, "no memory for a call");
	if (r == 0) {
		(void) event_base_dispatch(w.base);
		r = w.r;
		if (r < 0 && err)
			*err = w.err;
		else if (r == 0)
			*ret_message = w.message;
	}
	(void) store_client_free(c);
	event_base_free(w.base);
	return r;
}
