#include "store/restore/put.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/index/submit_wait.h"
#include "storeproto/storeproto.h"

#define AT_ONCE       64
#define MEMORY_MAX    ((size_t) 256 << 20)
#define MEMORY_ENOUGH ((size_t) 64 << 20) /* of summaries: commit now */

struct slot {
	struct change c;
	const struct source_message *m;
};

struct put {
	struct put_target t;
	struct arena *a; /* of the group at hand; the writer's too while it is committed */
	struct slot slots[AT_ONCE];
	size_t n;
	pthread_mutex_t lock;
	pthread_cond_t all_done;
	size_t waiting; /* under lock */
};

struct put *put_create(const struct put_target *t)
{
	struct put *p = calloc(1, sizeof(*p));

	if (!p || !(p->a = arena_create(MEMORY_MAX))) {
		free(p);
		return NULL;
	}
	p->t = *t;
	(void) pthread_mutex_init(&p->lock, NULL);
	(void) pthread_cond_init(&p->all_done, NULL);
	return p;
}

static void forget(struct put *p)
{
	for (size_t i = 0; i < p->n; i++)
		volume_body_done(&p->slots[i].c.u.append.body);
	p->n = 0;
	arena_reset(p->a);
}

struct put *put_free(struct put *p)
{
	if (!p)
		return NULL;
	forget(p);
	(void) arena_free(p->a);
	(void) pthread_cond_destroy(&p->all_done);
	(void) pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/* ---- preparing ---- */

static int copy_body(struct put *p, const struct source_message *m, struct volume_body *ret_body,
                     struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = source_message_open(p->t.source, m, &fd, err);

	if (r < 0)
		return r;
	return m->ours ? volume_stage_body(p->t.vol, SPAN_NONE, SPAN_NONE, fd, m->size, ret_body, err)
	               : volume_stage_crlf(p->t.vol, fd, ret_body, err);
}

static int set_keywords(struct put *p, struct change *c, const struct source_mailbox *from, uint32_t flags,
                        struct err *err)
{
	struct span *names = arena_array(p->a, from->keywords_n + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return err_set(err, POD_E_NOMEM, "keywords");
	for (size_t i = 0; i < from->keywords_n; i++)
		if (flags & 1u << (STORE_KEYWORD_SHIFT + i))
			names[n++] = span_of(from->keywords[i]);
	c->u.append.keywords = names;
	c->u.append.keywords_n = n;
	return 0;
}

/* A message that cannot be parsed comes back without a summary, as it would from a rebuild. */
static int prepare(struct put *p, struct slot *slot, const struct source_mailbox *from,
                   const struct source_message *m, struct err *err)
{
	struct change *c = &slot->c;
	struct volume_body body;
	struct parsed parsed = { 0 };
	int r;

	*slot = (struct slot){
		.m = m, .c = { .kind = CHANGE_APPEND, .a = p->a, .user_id = p->t.user_id, .id = m->guid }
	};
	r = copy_body(p, m, &body, err);
	if (r < 0)
		return r;
	c->u.append.body = body;
	c->u.append.name = p->t.mailbox;
	c->u.append.flags = m->flags & STORE_FLAGS_SYSTEM & ~(uint32_t) STORE_FLAG_DELETED;
	c->u.append.internal_date = m->internal_date;
	c->u.append.restores = true;
	c->u.append.over_quota = p->t.over_quota;
	(void) parser_run(p->t.parser, body.fd, p->a, &parsed, NULL);
	c->u.append.summary = (struct volume_summary){ parsed.envelope, parsed.bodystructure, parsed.parts,
		                                       parsed.headers };
	r = set_keywords(p, c, from, m->flags, err);
	if (r < 0)
		volume_body_done(&c->u.append.body);
	return r;
}

/* ---- committing ---- */

static void on_done(struct change *c)
{
	struct put *p = c->owner;

	(void) pthread_mutex_lock(&p->lock);
	if (--p->waiting == 0)
		(void) pthread_cond_signal(&p->all_done);
	(void) pthread_mutex_unlock(&p->lock);
}

static void submit_all(struct put *p)
{
	p->waiting = p->n;
	for (size_t i = 0; i < p->n; i++) {
		p->slots[i].c.done = on_done;
		p->slots[i].c.owner = p;
		volume_submit(p->t.vol, &p->slots[i].c);
	}
	(void) pthread_mutex_lock(&p->lock);
	while (p->waiting)
		(void) pthread_cond_wait(&p->all_done, &p->lock);
	(void) pthread_mutex_unlock(&p->lock);
}

/* The mailbox has its 26 keywords: the message is worth more than its words. */
static int put_without_keywords(struct put *p, struct change *c)
{
	c->u.append.keywords_n = 0;
	c->err = (struct err){ 0 };
	return volume_submit_wait(p->t.vol, c, NULL);
}

/* What no further message would be spared. */
static bool ends_all(const struct put *p, int code)
{
	return code == -POD_E_QUOTA || code == -POD_E_NOSPACE || volume_broken(p->t.vol);
}

int put_flush(struct put *p, struct err *err)
{
	int r = 0;

	submit_all(p);
	for (size_t i = 0; i < p->n; i++) {
		struct change *c = &p->slots[i].c;

		if (c->code == -POD_E_LIMIT && c->u.append.keywords_n)
			c->code = put_without_keywords(p, c);
		if (r == 0 && c->code < 0 && ends_all(p, c->code))
			r = err_set(err, (enum pod_error) - c->code, "%s", err_text(&c->err));
		p->t.done(p->t.arg, p->slots[i].m, c->code, c->u.append.uid, err_text(&c->err));
	}
	forget(p);
	return r;
}

int put_message(struct put *p, const struct source_mailbox *from, const struct source_message *m,
                struct err *err)
{
	struct err why = { 0 };
	int r = prepare(p, &p->slots[p->n], from, m, &why);

	if (r < 0) {
		p->t.done(p->t.arg, m, r, 0, err_text(&why));
		return ends_all(p, r) ? err_set(err, (enum pod_error) - r, "%s", err_text(&why)) : 0;
	}
	p->n++;
	return p->n == AT_ONCE || arena_used(p->a) > MEMORY_ENOUGH ? put_flush(p, err) : 0;
}
