#include "mta/deliver/deliver.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "mta/deliver/junk.h"
#include "mta/deliver/origin.h"

#define UNCONNECTED_MS 2000
#define ANSWERED_MAX   100 /* mailboxes: what goes to more is nobody's letter */
/* Envelope of one DELIVER: 10,000 recipients with their pointers. */
#define PACK_ARENA_MAX (8u << 20)

struct deliver_call {
	struct store_call *call;
	struct deliver_origin *origin; /* NULL: it is answered by nobody */
	size_t n;
	deliver_done_fn *fn;
	void *arg;
};

static void call_free(struct deliver_call *dc)
{
	dc->origin = deliver_origin_free(dc->origin);
	free(dc);
}

static void fail_all(struct deliver_call *dc, int code, const char *text)
{
	struct deliver_result *results = calloc(dc->n, sizeof(*results));

	/* Out of memory: one by one would break the contract, so that the whole message counts as unknown. */
	if (!results) {
		dc->fn(dc->arg, NULL, 0);
		return;
	}
	for (size_t i = 0; i < dc->n; i++)
		results[i] = (struct deliver_result){ code, text, NULL };
	dc->fn(dc->arg, results, dc->n);
	free(results);
}

static void pass_results(struct deliver_call *dc, const Podstore__DeliverReply *reply)
{
	struct deliver_result *results;
	struct deliver_reply *replies;

	if (reply->n_results != dc->n) {
		fail_all(dc, -POD_E_PROTOCOL, "the store answered for another number of recipients");
		return;
	}
	results = calloc(dc->n, sizeof(*results));
	replies = results ? calloc(dc->n, sizeof(*replies)) : NULL;
	if (!replies) {
		free(results);
		dc->fn(dc->arg, NULL, 0);
		return;
	}
	for (size_t i = 0; i < dc->n; i++) {
		const Podstore__DeliverResult *from = reply->results[i];

		results[i] = (struct deliver_result){ -(int) from->code, from->text, NULL };
		if (from->answer && dc->origin) {
			replies[i] = deliver_origin_reply(dc->origin, from->answer);
			results[i].reply = &replies[i];
		}
	}
	dc->fn(dc->arg, results, dc->n);
	free(results);
	free(replies);
}

static void on_reply(void *arg, const struct store_reply *reply)
{
	struct deliver_call *dc = arg;

	if (!reply->final)
		return;
	dc->call = NULL;
	if (reply->code < 0)
		fail_all(dc, reply->code, reply->text);
	else
		pass_results(dc, (const Podstore__DeliverReply *) reply->message);
	call_free(dc);
}

/* Generated structs want char pointers that they never write through. */
static char *unconst(const char *s)
{
	union {
		const char *c;
		char *m;
	} u = { .c = s ? s : "" };

	return u.m;
}

static int fill(struct arena *a, Podstore__Deliver *d, const struct deliver_message *m,
                const struct deliver_mailbox *mailboxes, size_t n, const struct deliver_origin *origin)
{
	Podstore__DeliverRecipient *items = arena_array(a, n, sizeof(*items));
	const char *folder = junk_folder_of(m);

	d->recipients = arena_array(a, n, sizeof(*d->recipients));
	d->sender = arena_str(a, m->sender);
	d->delivery_id.data = arena_alloc(a, ID_SIZE);
	if (!items || !d->recipients || !d->sender || !d->delivery_id.data)
		return -POD_E_NOMEM;
	memcpy(d->delivery_id.data, m->id.b, ID_SIZE);
	d->delivery_id.len = ID_SIZE;
	d->trace = unconst(m->trace);
	d->size = m->size;
	d->internal_date = m->arrived_s;
	d->n_recipients = n;
	if (origin) {
		d->reply_to = d->sender;
		d->internal = m->login && *m->login;
	}
	for (size_t i = 0; i < n; i++) {
		podstore__deliver_recipient__init(&items[i]);
		items[i].user_id = unconst(mailboxes[i].user_id);
		items[i].detail = unconst(mailboxes[i].detail);
		items[i].mailbox = unconst(folder);
		items[i].may_answer = origin && deliver_origin_names(origin, &mailboxes[i]);
		d->recipients[i] = &items[i];
	}
	return 0;
}

static struct store_call *send_deliver(struct store_client *c, const struct deliver_message *m,
                               const struct deliver_mailbox *mailboxes, size_t n, unsigned int timeout_ms,
                               struct deliver_call *dc)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(PACK_ARENA_MAX);
	Podstore__Deliver d;
	Podstore__Summary summary = *m->summary;

	podstore__deliver__init(&d);
	if (!a || fill(a, &d, m, mailboxes, n, dc->origin) < 0)
		return NULL;
	d.summary = &summary;
	return store_call(c, STORE_DELIVER, &d.base, m->blob, m->fd, timeout_ms, on_reply, dc);
}

struct deliver_call *deliver_start(struct store_client *c, const struct deliver_message *m,
                                   const struct deliver_mailbox *mailboxes, size_t n, unsigned int timeout_ms,
                                   deliver_done_fn *fn, void *arg)
{
	struct deliver_call *dc = calloc(1, sizeof(*dc));

	if (!dc)
		return NULL;
	*dc = (struct deliver_call){ .n = n, .fn = fn, .arg = arg, .origin = n <= ANSWERED_MAX ? deliver_origin_of(m) : NULL };
	if (!store_client_is_connected(c) && timeout_ms > UNCONNECTED_MS)
		timeout_ms = UNCONNECTED_MS;
	dc->call = send_deliver(c, m, mailboxes, n, timeout_ms, dc);
	if (!dc->call) {
		call_free(dc);
		return NULL;
	}
	return dc;
}

void deliver_cancel(struct deliver_call *call)
{
	if (!call)
		return;
	store_call_cancel(call->call);
	call_free(call);
}

enum deliver_verdict deliver_judge(int code)
{
	switch ((enum pod_error) abs(code)) {
	case POD_E_NONE: return DELIVER_DONE;
	case POD_E_NOTFOUND:
	case POD_E_DENIED:
	case POD_E_QUOTA:
	case POD_E_LIMIT: return DELIVER_REFUSE;
	case POD_E_FULL:
	case POD_E_NOSPACE:
	case POD_E_NOMEM: return DELIVER_DEFER;
	case POD_E_SYNTAX:
	case POD_E_EXISTS:
	case POD_E_AUTH:
	case POD_E_UNAVAILABLE:
	case POD_E_TIMEOUT:
	case POD_E_CANCELLED:
	case POD_E_STALE:
	case POD_E_BUSY:
	case POD_E_PROTOCOL:
	case POD_E_VERSION:
	case POD_E_CORRUPT:
	case POD_E_IO:
	case POD_E_CONFIG:
	case POD_E_UNSUPPORTED:
	case POD_E_INTERNAL:
	case POD_E_CONFLICT:
	case POD_E_END: break;
	}
	return DELIVER_QUEUE;
}
