#include "imapd/imap/bodies.h"

#include <fcntl.h>

#include "imapd/imap/session.h"

static struct imap_body *slot_of(struct imap_bodies *b, size_t i)
{
	return &b->slots[i % IMAP_BODIES_AHEAD];
}

static void clear_slot(struct imap_body *body)
{
	imap_spool_done(&body->bytes);
	buf_done(&body->parts);
	body->code = 0;
	body->complete = false;
	body->call = NULL;
}

static int take_bytes(struct imap_body *body, const struct store_reply *reply)
{
	const Podstore__BodyOpenReply *opened = (const Podstore__BodyOpenReply *) reply->message;

	if (opened && opened->parts.len > 0) {
		buf_clear(&body->parts);
		buf_add(&body->parts, span_make(opened->parts.data, opened->parts.len));
	}
	if (reply->fd >= 0) {
		int fd = fcntl(reply->fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -POD_E_LIMIT;
		imap_spool_take_file(&body->bytes, fd, opened ? opened->size : 0);
		return 0;
	}
	return imap_spool_add(&body->bytes, body->owner->s->settings->temp_dir, reply->blob);
}

static void on_body(void *arg, const struct store_reply *reply)
{
	struct imap_body *body = arg;
	struct imap_bodies *b = body->owner;

	if (reply->code == 0 && body->code == 0)
		body->code = take_bytes(body, reply);
	else if (reply->code < 0)
		body->code = reply->code;
	if (!reply->final)
		return;
	body->call = NULL;
	body->complete = true;
	if (body == slot_of(b, b->taken))
		b->on_ready(b->arg);
}

static void open_next(struct imap_bodies *b)
{
	struct imap_body *body = slot_of(b, b->opened);

	podstore__body_open__init(&body->request);
	body->request.mailbox = b->s->selected->mailbox;
	body->request.uid = b->uids[b->opened++];
	body->bytes = IMAP_SPOOL_INIT;
	body->owner = b;
	body->call = imap_call(b->s, STORE_BODY_OPEN, &body->request.base, SPAN_NONE, -1, on_body, body);
	if (!body->call) {
		body->code = -POD_E_NOMEM;
		body->complete = true;
	}
}

void imap_bodies_start(struct imap_bodies *b, struct imap_session *s, const uint32_t *uids, size_t n,
                       void (*on_ready)(void *), void *arg)
{
	b->s = s;
	b->uids = uids;
	b->n = n;
	b->opened = b->taken = 0;
	b->on_ready = on_ready;
	b->arg = arg;
	while (b->opened < b->n && b->opened < IMAP_BODIES_AHEAD)
		open_next(b);
}

struct imap_body *imap_bodies_next(struct imap_bodies *b)
{
	struct imap_body *body = slot_of(b, b->taken);

	return b->taken < b->n && body->complete ? body : NULL;
}

void imap_bodies_pop(struct imap_bodies *b)
{
	clear_slot(slot_of(b, b->taken++));
	if (b->opened < b->n)
		open_next(b);
}

void imap_bodies_done(struct imap_bodies *b)
{
	for (size_t i = b->taken; i < b->opened; i++) {
		struct imap_body *body = slot_of(b, i);

		if (body->call)
			b->s->ops->call_cancel(b->s->host, body->call);
		clear_slot(body);
	}
	b->n = b->opened = b->taken = 0;
}
