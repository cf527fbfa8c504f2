#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "imapd/account/internal.h"

struct opening {
	struct account_body *body;
	struct buf bytes, parts;
	int map_errno;
};

static void map_file(struct opening *o, int fd, uint64_t size)
{
	void *map = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;

	if (map == MAP_FAILED) {
		o->map_errno = errno;
		return;
	}
	o->body->map = map;
	o->body->map_len = size;
}

static void on_part(void *arg, const struct store_reply *part)
{
	struct opening *o = arg;
	const Podstore__BodyOpenReply *opened = (const Podstore__BodyOpenReply *) part->message;

	if (opened->parts.len > 0) {
		buf_clear(&o->parts);
		buf_add(&o->parts, span_make(opened->parts.data, opened->parts.len));
	}
	if (part->fd >= 0)
		map_file(o, part->fd, opened->size);
	else
		buf_add(&o->bytes, part->blob);
}

int account_body_open(struct account *ac, uint32_t mailbox, uint32_t uid, struct account_body *ret_body,
                      struct err *err)
{
	Podstore__BodyOpen request = PODSTORE__BODY_OPEN__INIT;
	struct account_body body = { 0 };
	struct opening o = { .body = &body };
	int r;

	request.mailbox = mailbox;
	request.uid = uid;
	r = account_call_parts(ac, NULL, STORE_BODY_OPEN, &request.base, on_part, &o, err);
	if (r == 0 && o.map_errno)
		r = err_errno(err, o.map_errno, "a message's file");
	if (r == 0 && (o.bytes.failed || o.parts.failed))
		r = err_set(err, POD_E_NOMEM, "a message of %zu bytes", o.bytes.len);
	body.memory = o.bytes.p;
	body.parts_memory = o.parts.p;
	if (r < 0) {
		account_body_done(&body);
		return r;
	}
	body.bytes = body.map ? span_make(body.map, body.map_len) : buf_span(&o.bytes);
	body.parts = buf_span(&o.parts);
	*ret_body = body;
	return 0;
}

void account_body_done(struct account_body *body)
{
	if (body->map)
		(void) munmap(body->map, body->map_len);
	free(body->memory);
	free(body->parts_memory);
	*body = (struct account_body){ 0 };
}
