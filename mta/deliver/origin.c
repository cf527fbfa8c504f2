#include "mta/deliver/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "mime/header.h"
#include "mta/deliver/answerable.h"

#define HEADER_MAX (256u << 10) /* one that is longer is not answered */
#define ARENA_MAX  (2u << 20)

struct deliver_origin {
	struct arena *a;
	struct span header, sender, login;
	struct span *names; /* whom it is addressed to */
	size_t names_n;
};

/* The header, in the arena where it has to be read from a file; empty where it does not end in time. */
static struct span header_of(struct arena *a, const struct deliver_message *m)
{
	struct span beginning = span_head(m->blob, HEADER_MAX), header;
	uint8_t *buf;
	ssize_t n;

	if (m->fd >= 0) {
		buf = arena_alloc(a, HEADER_MAX);
		do
			n = buf ? pread(m->fd, buf, HEADER_MAX, 0) : 0;
		while (n < 0 && errno == EINTR);
		beginning = span_make(buf, n > 0 ? (size_t) n : 0);
	}
	header = mime_header_of(beginning);
	return header.len == HEADER_MAX ? SPAN_NONE : header;
}

struct deliver_origin *deliver_origin_free(struct deliver_origin *o)
{
	if (o)
		(void) arena_free(o->a);
	free(o);
	return NULL;
}

/* A small message's bytes are the caller's, so what outlives the call is copied. */
static bool keep(struct deliver_origin *o, const struct deliver_message *m)
{
	o->header = header_of(o->a, m);
	if (!o->header.len || !answerable_message(o->a, m->sender, o->header))
		return false;
	if (m->fd < 0)
		o->header = arena_dup(o->a, o->header);
	o->sender = arena_dup(o->a, m->sender);
	o->login = arena_dup(o->a, span_of(m->login));
	return o->header.p && o->sender.p && answerable_names(o->a, o->header, &o->names, &o->names_n) == 0;
}

struct deliver_origin *deliver_origin_of(const struct deliver_message *m)
{
	struct deliver_origin *o = m->sender.len ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	o->a = arena_create(ARENA_MAX);
	return o->a && keep(o, m) ? o : deliver_origin_free(o);
}

static bool is_same(struct span a, const char *b)
{
	return b && span_eq_nocase(a, span_of(b));
}

bool deliver_origin_names(const struct deliver_origin *o, const struct deliver_mailbox *m)
{
	if (m->listed || is_same(o->sender, m->address) || is_same(o->sender, m->named) ||
	    is_same(o->login, m->address))
		return false;
	for (size_t i = 0; i < o->names_n; i++)
		if (is_same(o->names[i], m->address) || is_same(o->names[i], m->named))
			return true;
	return false;
}

static struct span field(const struct deliver_origin *o, const char *name)
{
	struct mime_field f;

	return mime_field_find(o->header, span_of(name), &f) ? span_trim(mime_unfold(o->a, f.value))
	                                                     : SPAN_NONE;
}

struct deliver_reply deliver_origin_reply(const struct deliver_origin *o,
                                          const Podstore__DeliverAnswer *answer)
{
	return (struct deliver_reply){ .to = o->sender,
		                       .subject = field(o, "Subject"),
		                       .message_id = field(o, "Message-ID"),
		                       .references = field(o, "References"),
		                       .from = answer->address,
		                       .name = answer->name,
		                       .text = answer->text,
		                       .html = answer->html };
}
