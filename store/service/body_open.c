#include "store/service/body_open.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "storeproto/frame.h"

struct streaming {
	int fd;
	uint64_t size, at;
	struct span parts;
};

static Podstore__BodyOpenReply reply_of(const struct streaming *s)
{
	Podstore__BodyOpenReply reply = PODSTORE__BODY_OPEN_REPLY__INIT;

	reply.size = s->size;
	reply.parts = (ProtobufCBinaryData){ s->parts.len, (uint8_t *) (uintptr_t) s->parts.p };
	return reply;
}

/* All of n bytes, or an error: a file that is shorter than its record is damaged. */
static int read_at(struct task *t, const struct streaming *s, uint8_t *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(s->fd, p + have, n - have, (off_t) (s->at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(&t->err, errno, "read of a message");
		if (got == 0)
			return err_set(&t->err, POD_E_CORRUPT, "a message's file is shorter than it should be");
		have += (size_t) got;
	}
	return 0;
}

static int reply_inline(struct task *t, const struct streaming *s)
{
	uint8_t bytes[FRAME_BLOB_INLINE_MAX];
	Podstore__BodyOpenReply reply = reply_of(s);
	int r = read_at(t, s, bytes, s->size);

	if (r == 0)
		task_reply_blob(t, &reply.base, span_make(bytes, s->size), -1);
	return r;
}

/* To another host: frames with pieces, the first with the size, as the peer takes them. 1: parked. */
static int stream(struct task *t, struct streaming *s)
{
	Podstore__BodyOpenReply head = reply_of(s), empty = PODSTORE__BODY_OPEN_REPLY__INIT;
	uint8_t bytes[FRAME_BLOB_INLINE_MAX];

	while (s->at < s->size) {
		size_t n = s->size - s->at < sizeof(bytes) ? s->size - s->at : sizeof(bytes);
		const ProtobufCMessage *message = s->at == 0 ? &head.base : &empty.base;
		int r;

		if (store_request_cancelled(t->rq))
			return -POD_E_CANCELLED;
		if (!task_has_room(t))
			return 1;
		r = read_at(t, s, bytes, n);
		if (r < 0)
			return r;
		s->at += n;
		if (s->at == s->size)
			task_reply_blob(t, message, span_make(bytes, n), -1);
		else
			store_request_more(t->rq, message, span_make(bytes, n), -1);
	}
	return 0;
}

/* 0: answered, and s is gone with the request; 1: parked; or an error. */
static int answer(struct task *t, struct streaming *s)
{
	Podstore__BodyOpenReply reply = reply_of(s);

	if (s->size <= FRAME_BLOB_INLINE_MAX)
		return reply_inline(t, s);
	if (!store_request_passes_fds(t->rq))
		return stream(t, s);
	task_reply_blob(t, &reply.base, SPAN_NONE, take_fd(&s->fd));
	return 0;
}

void body_open_answer(struct task *t, body_opener_fn *open)
{
	struct streaming *kept = t->state, s = { .fd = -1 };
	int r;

	if (kept)
		s = *kept;
	r = kept ? 0 : open(t, &s.fd, &s.size, &s.parts);
	if (r == 0)
		r = answer(t, &s);
	if (r > 0 && !kept) {
		kept = t->state = arena_new(t->a, struct streaming);
		r = kept ? r : -POD_E_NOMEM;
	}
	if (r > 0) {
		*kept = s;
		task_park(t);
		return;
	}
	closep(&s.fd);
	if (r < 0)
		task_fail(t, r);
}

static int open_of_session(struct task *t, int *ret_fd, uint64_t *ret_size, struct span *ret_parts)
{
	const Podstore__BodyOpen *m = (const Podstore__BodyOpen *) t->message;

	return volume_body_open(t->svc->vol, t->a, t->user_id, m->mailbox, m->uid, ret_fd, ret_size, ret_parts, &t->err);
}

void method_body_open(struct task *t)
{
	body_open_answer(t, open_of_session);
}
