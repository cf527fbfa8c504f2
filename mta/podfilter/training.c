#include "mta/podfilter/training.h"

#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "directory/directory.h"
#include "mime/header.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/metrics.h"
#include "mta/podfilter/rspamd.h"
#include "mta/podfilter/sender.h"
#include "mta/podfilter/source.h"
#include "mta/podfilter/training.h"
#include "proc/thread.h"
#include "storeproto/client.h"
#include "tally/tally.h"

#define CALL_MS     30000
#define STACK_BYTES (512u << 10)
/* A user's word against our own guesses (check_reputation.c). */
#define LESSON_COUNTS 3.0
#define TALLY_NAME    "lessons" /* in filter.dir: how many a user gave */
#define DAY_S         86400

struct lesson {
	uint64_t number;
	int64_t at_s;
	bool spam;
	char user[80];
};

/* One volume whose lessons are being learnt, one after the other. */
struct school {
	LIST_ENTRY(school) link;
	struct training *t;
	struct store_call *call;
	struct lesson *lessons;
	size_t n, at;
	uint64_t learnt; /* the last number; 0: none */
	char volume[64];
};

LIST_HEAD(schools, school);

struct training {
	struct filter *f;
	struct event_base *base;
	struct event *clock, *wake;
	struct store_pool *pool;
	struct tally *tally;
	struct schools schools;
	pthread_t thread;
};

static void lesson_next(struct school *s);

/* ---- the end of a round with a volume ---- */

static void school_free(struct school *s)
{
	if (s->call)
		store_call_cancel(s->call);
	LIST_REMOVE(s, link);
	free(s->lessons);
	free(s);
}

static void training_on_done(void *arg, const struct store_reply *reply)
{
	struct school *s = arg;

	s->call = NULL;
	if (reply->code)
		log_event(NULL, LOGL_WARNING, "training.not_forgotten", F_STR("volume", s->volume),
		          F_STR("error", reply->text));
	school_free(s);
}

static struct store_call *ask(struct school *s, enum store_method method, const ProtobufCMessage *message,
                              store_reply_fn *fn)
{
	struct err err = { 0 };
	struct store_client *client = store_pool_get(s->t->pool, s->volume, &err);

	return client ? store_call(client, method, message, SPAN_NONE, -1, CALL_MS, fn, s) : NULL;
}

/* What was learnt is forgotten there, also where the round ends early. */
static void school_end(struct school *s)
{
	Podstore__LessonsDone done = PODSTORE__LESSONS_DONE__INIT;

	done.number = s->learnt;
	s->call = s->learnt ? ask(s, STORE_LESSONS_DONE, &done.base, training_on_done) : NULL;
	if (!s->call)
		school_free(s);
}

/* ---- one lesson ---- */

static void learn_reputation(struct training *t, const struct settings *set, const struct lesson *l,
                             struct span message)
{
	struct sender who;
	int r = source_read(mime_header_of(message), t->f->source_key, &who);

	if (r == 0)
		(void) sender_note(t->f->memory, &who, l->spam ? REPUTATION_SPAM : REPUTATION_GOOD,
		                   LESSON_COUNTS, clock_wall_s(),
		                   (double) set->conf->filter.reputation_half_life_ms / 1000);
	log_event(NULL, LOGL_INFO, "training.learnt", F_STR("user", l->user),
	          F_STR("as", l->spam ? "spam" : "ham"),
	          F_STR("source", r == 0               ? "known"
	                          : r == -POD_E_DENIED ? "forged"
	                                               : "none"));
	metric_add(l->spam ? FM_LESSONS_SPAM : FM_LESSONS_HAM, 1);
}

/* ---- how many a user gives ---- */

static struct tally_rate rate_of(const struct filter_conf *c)
{
	return (struct tally_rate){ c->training_per_day, DAY_S };
}

static struct tally_key key_of(const struct training *t, const struct lesson *l)
{
	return tally_key(t->tally, "lessons", span_of(l->user));
}

static bool may_teach(struct training *t, const struct filter_conf *c, const struct lesson *l)
{
	struct tally_key k = key_of(t, l);
	uint32_t wait_s;

	if (!c->training_per_day || tally_take(t->tally, &k, rate_of(c), 1, clock_wall_ms(), &wait_s) == 0)
		return true;
	metric_add(FM_LESSONS_LIMITED, 1);
	log_event(NULL, LOGL_NOTICE, "training.limited", F_STR("user", l->user),
	          F_UINT("most", c->training_per_day), F_UINT("wait_s", wait_s));
	return false;
}

static void give_back(struct training *t, const struct filter_conf *c, const struct lesson *l)
{
	struct tally_key k = key_of(t, l);

	if (c->training_per_day)
		tally_give_back(t->tally, &k, rate_of(c), 1, clock_wall_ms());
}

/* By 404 rspamd does not say whether it knows the message, or cannot learn now. */
static bool comes_again(const struct filter_conf *c, const struct lesson *l, int r)
{
	return r == -POD_E_UNAVAILABLE ||
	       (r == -POD_E_NOTFOUND && clock_wall_s() < l->at_s + (int64_t) (c->rspamd_patience_ms / 1000));
}

/* rspamd first: where it is away, the lesson stays, and nothing has been counted yet. */
static int teach(struct training *t, const struct settings *set, const struct lesson *l, struct span message)
{
	const struct filter_conf *c = &set->conf->filter;
	struct err err = { 0 };
	int r = *c->rspamd_url ? rspamd_learn(c->rspamd_url, c->rspamd_password, l->spam, message, &err) : 0;

	if (r < 0)
		log_event(NULL, LOGL_WARNING, "training.rspamd_failed", F_STR("user", l->user), F_ERR(&err));
	if (comes_again(c, l, r)) {
		give_back(t, c, l);
		return r;
	}
	learn_reputation(t, set, l, message);
	return 0;
}

/* A lesson too many is over as if it had been learnt. */
static int learn(struct training *t, const struct lesson *l, struct span message)
{
	struct settings *set = settings_take(t->f);
	int r = may_teach(t, &set->conf->filter, l) ? teach(t, set, l, message) : 0;

	settings_release(t->f, set);
	return r;
}

static int learn_file(struct training *t, const struct lesson *l, int fd, uint64_t size)
{
	void *map = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	int r;

	if (map == MAP_FAILED)
		return 0; /* nothing to be learnt */
	r = learn(t, l, span_make(map, size));
	(void) munmap(map, size);
	return r;
}

static void training_on_body(void *arg, const struct store_reply *reply)
{
	struct school *s = arg;
	const struct lesson *l = &s->lessons[s->at];
	const Podstore__BodyOpenReply *body = (const Podstore__BodyOpenReply *) reply->message;
	int r = 0;

	s->call = NULL;
	/* Moved on, or expunged: the user has said something else by now. */
	if (reply->code && reply->code != -POD_E_NOTFOUND)
		r = reply->code;
	else if (!reply->code)
		r = reply->fd >= 0 ? learn_file(s->t, l, reply->fd, body->size) : learn(s->t, l, reply->blob);
	if (r < 0) {
		school_end(s);
		return;
	}
	s->learnt = l->number;
	s->at++;
	lesson_next(s);
}

static void lesson_next(struct school *s)
{
	Podstore__LessonBody body = PODSTORE__LESSON_BODY__INIT;

	for (; s->at < s->n && !s->lessons[s->at].user[0]; s->at++)
		s->learnt = s->lessons[s->at].number; /* its mailbox is gone */
	if (s->at == s->n) {
		school_end(s);
		return;
	}
	body.number = s->lessons[s->at].number;
	s->call = ask(s, STORE_LESSON_BODY, &body.base, training_on_body);
	if (!s->call)
		school_end(s);
}

/* ---- a round ---- */

static void take_lessons(struct school *s, const Podstore__LessonsReply *reply)
{
	s->lessons = calloc(reply->n_lessons + 1, sizeof(*s->lessons));
	for (size_t i = 0; s->lessons && i < reply->n_lessons; i++) {
		struct lesson *l = &s->lessons[s->n++];

		l->number = reply->lessons[i]->number;
		l->at_s = reply->lessons[i]->at;
		l->spam = reply->lessons[i]->spam;
		(void) snprintf(l->user, sizeof(l->user), "%s", reply->lessons[i]->user_id);
	}
}

static void training_on_lessons(void *arg, const struct store_reply *reply)
{
	struct school *s = arg;

	s->call = NULL;
	if (reply->code == 0)
		take_lessons(s, (const Podstore__LessonsReply *) reply->message);
	if (s->n)
		lesson_next(s);
	else
		school_free(s);
}

static bool is_at_school(const struct training *t, const char *volume)
{
	const struct school *s;

	LIST_FOREACH(s, &t->schools, link)
	if (strcmp(s->volume, volume) == 0)
		return true;
	return false;
}

static int volume_begin(void *arg, const char *name, const ProtobufCMessage *record)
{
	static const Podstore__Empty empty = PODSTORE__EMPTY__INIT;
	struct training *t = arg;
	struct school *s;

	/* Those of other hosts are asked by the filters there. */
	if (!span_starts_nocase(span_of(((const Directory__Volume *) record)->endpoint), SPAN_LIT("unix:")))
		return 0;
	if (is_at_school(t, name) || !(s = calloc(1, sizeof(*s))))
		return 0;
	s->t = t;
	(void) snprintf(s->volume, sizeof(s->volume), "%s", name);
	LIST_INSERT_HEAD(&t->schools, s, link);
	s->call = ask(s, STORE_LESSONS, &empty.base, training_on_lessons);
	if (!s->call)
		school_free(s);
	return 0;
}

/* podd has made the directory before it starts us; a podfilter without one has no stores to ask. */
static int open_pool(struct training *t)
{
	struct err err = { 0 };
	int r = t->f->directory ? 0 : -POD_E_NOTFOUND;

	if (r == 0 && !t->pool)
		r = store_pool_create(t->base, t->f->directory, "podfilter", "filter", NULL, &t->pool, &err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		log_event(NULL, LOGL_WARNING, "training.no_stores", F_ERR(&err));
	return r;
}

static void training_on_clock(evutil_socket_t fd, short events, void *arg)
{
	struct training *t = arg;
	struct settings *set = settings_take(t->f);
	const struct filter_conf *c = &set->conf->filter;
	struct timeval next = { .tv_sec = (time_t) (c->training_interval_ms / 1000) };
	struct err err = { 0 };

	if (c->training && open_pool(t) == 0 &&
	    directory_each(t->f->directory, DIRECTORY_VOLUME, SPAN_NONE, volume_begin, t, &err) < 0)
		log_event(NULL, LOGL_WARNING, "training.no_volumes", F_ERR(&err));
	(void) event_add(t->clock, &next);
	settings_release(t->f, set);
}

/* ---- the thread ---- */

static void training_on_stop(evutil_socket_t fd, short events, void *arg)
{
	struct training *t = arg;

	(void) event_base_loopbreak(t->base);
}

static void *training_thread(void *arg)
{
	struct training *t = arg;

	(void) event_base_loop(t->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static struct training *training_free(struct training *t)
{
	while (!LIST_EMPTY(&t->schools))
		school_free(LIST_FIRST(&t->schools));
	t->pool = store_pool_free(t->pool);
	t->tally = tally_close(t->tally);
	if (t->clock)
		event_free(t->clock);
	if (t->wake)
		event_free(t->wake);
	if (t->base)
		event_base_free(t->base);
	free(t);
	return NULL;
}

static int open_tally(struct training *t, struct err *err)
{
	char path[PATH_MAX];

	(void) snprintf(path, sizeof(path), "%s/" TALLY_NAME, t->f->settings->conf->filter.dir);
	return tally_open(path, &t->tally, err);
}

int training_start(struct filter *f, struct training **ret_training, struct err *err)
{
	struct training *t = calloc(1, sizeof(*t));
	static const struct timeval soon = { .tv_sec = 1 };
	int r;

	if (!t)
		return err_set(err, POD_E_NOMEM, "training");
	t->f = f;
	LIST_INIT(&t->schools);
	t->base = event_base_new();
	t->clock = t->base ? evtimer_new(t->base, training_on_clock, t) : NULL;
	t->wake = t->base ? event_new(t->base, -1, EV_PERSIST, training_on_stop, t) : NULL;
	r = t->clock && t->wake && event_add(t->clock, &soon) == 0 ? 0
	                                                           : err_set(err, POD_E_NOMEM, "training");
	if (r == 0)
		r = open_tally(t, err);
	if (r == 0)
		r = thread_start_quiet(&t->thread, STACK_BYTES, training_thread, t, "thread of the training",
		                       err);
	if (r < 0)
		(void) training_free(t);
	else
		*ret_training = t;
	return r;
}

struct training *training_stop(struct training *t)
{
	if (!t)
		return NULL;
	event_active(t->wake, EV_READ, 0);
	(void) pthread_join(t->thread, NULL);
	return training_free(t);
}
