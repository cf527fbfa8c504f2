#include "imapd/eas/park/park.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "imapd/eas/device/device.h"
#include "imapd/eas/internal.h"
#include "imapd/eas/park/mesh.h"
#include "imapd/metrics.h"

/* One block of memory; the strings and the command's bytes are behind it. */
struct parked {
	TAILQ_ENTRY(parked) entry;
	struct eas_service *service;
	struct http_exchange *exchange;
	struct account *account;
	struct account_listener listener;
	struct event timer;
	struct turn turn;
	const struct eas_command *command;
	eas_wake_fn *wake;
	uint64_t deadline_ms, serial;
	uint32_t policy_key;
	uint16_t version;
	bool accept_multipart, hierarchy;
	enum eas_wake why;
	bool due; /* why is settled, only its turn is missing */
	char *device_id, *device_type;
	struct span memory;
	size_t n;
	uint32_t mailboxes[];
};

void park_init(struct park *p)
{
	for (size_t i = 0; i < PARK_BUCKETS; i++)
		TAILQ_INIT(&p->buckets[i]);
}

static struct park_bucket *bucket_of(struct park *park, const char *device_id)
{
	return &park->buckets[fnv32(FNV32_START, span_of(device_id)) % PARK_BUCKETS];
}

/* ---- going and coming ---- */

/* Nothing can wake it any more. */
static void leave(struct parked *p)
{
	TAILQ_REMOVE(bucket_of(&p->service->park, p->device_id), p, entry);
	account_unlisten(&p->listener);
	(void) event_del(&p->timer);
	turn_give_up(&p->turn);
	http_watch_client(p->exchange, NULL, NULL);
	metric_add(IMAPD_EAS_WAITING, -1);
}

static void parked_free(struct parked *p)
{
	(void) account_unref(p->account);
	free(p);
}

static void on_gone(void *arg)
{
	struct parked *p = arg;

	leave(p);
	http_abandon(p->exchange);
	parked_free(p);
}

/* The request as it was, but for its body. */
static void fill_request(struct eas_request *rq, struct parked *p)
{
	rq->serial = p->serial;
	rq->command = p->command;
	rq->version = p->version;
	rq->account = p->account;
	rq->device_id = p->device_id;
	rq->device_type = p->device_type;
	rq->policy_key = p->policy_key;
	rq->accept_multipart = p->accept_multipart;
	rq->changes = account_changes(p->account);
	eas_request_log(rq);
}

static void run(struct eas_request *rq, struct parked *p)
{
	if (account_is_refused(p->account))
		eas_answer_http(rq, 401);
	else if (p->why != EAS_WAKE_CHANGED || eas_device_admit(rq))
		p->wake(rq, p->why, p->memory);
}

static struct parked *parked_of(struct turn *t)
{
	return (struct parked *) (void *) ((uint8_t *) t - offsetof(struct parked, turn));
}

/* In a fiber. */
static void go_on(struct turn *t)
{
	struct parked *p = parked_of(t);
	struct eas_answer answer;
	struct eas_request rq;
	uint64_t began_us = clock_mono_us();

	leave(p);
	if (eas_request_init(&rq, p->service, p->exchange)) {
		fill_request(&rq, p);
		eas_answer_init(&rq, &answer);
		run(&rq, p);
		eas_request_finish(&rq, began_us);
		eas_answer_done(&answer);
		(void) arena_free(rq.a);
	} else {
		http_abandon(p->exchange);
	}
	parked_free(p);
}

static void set_timer(struct parked *p, uint64_t ms)
{
	struct timeval tv = { (time_t) (ms / 1000), (suseconds_t) (ms % 1000 * 1000) };

	(void) event_add(&p->timer, &tv);
}

/* No stack could be had. */
static void give_up(struct turn *t)
{
	struct parked *p = parked_of(t);

	leave(p);
	http_abandon(p->exchange);
	parked_free(p);
}

/* p is gone after it, or waits for its turn. */
static void wake(struct parked *p, enum eas_wake why)
{
	p->due = true;
	p->why = why;
	turns_take(&p->service->turns, &p->turn);
}

/* ---- what wakes it ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct parked *p = arg;

	wake(p, p->due ? p->why : EAS_WAKE_DEADLINE);
}

static bool is_watched(const struct parked *p, uint32_t mailbox)
{
	if (mailbox == ACCOUNT_CHANGE_UNKNOWN || mailbox == ACCOUNT_CHANGE_RULES ||
	    (mailbox == 0 && p->hierarchy))
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (p->mailboxes[i] == mailbox)
			return true;
	return false;
}

static void on_change(struct account_listener *l, uint32_t mailbox)
{
	struct parked *p = (struct parked *) (void *) ((uint8_t *) l - offsetof(struct parked, listener));

	if (p->due || !is_watched(p, mailbox))
		return;
	metric_add(IMAPD_EAS_WOKEN, 1);
	wake(p, EAS_WAKE_CHANGED);
}

void park_drain(struct park *park)
{
	park->draining = true;
	for (size_t i = 0; i < PARK_BUCKETS; i++) {
		struct parked *p, *next;

		for (p = TAILQ_FIRST(&park->buckets[i]); p; p = next) {
			next = TAILQ_NEXT(p, entry);
			wake(p, EAS_WAKE_SHUTDOWN);
		}
	}
}

/* ---- parking ---- */

/* One that waits with the same command for the same device of the same user; there is never more than one. */
static struct parked *find_same(struct park *park, const struct parked *as)
{
	struct parked *p;

	TAILQ_FOREACH(p, bucket_of(park, as->device_id), entry)
	if (p != as && p->account == as->account && p->command == as->command &&
	    strcmp(p->device_id, as->device_id) == 0)
		return p;
	return NULL;
}

static struct parked *parked_create(const struct eas_request *rq, const struct eas_watch *watch,
                                    struct span memory)
{
	size_t ids = watch->n * sizeof(uint32_t), id_len = strlen(rq->device_id) + 1;
	size_t type_len = strlen(rq->device_type) + 1;
	struct parked *p = calloc(1, sizeof(*p) + ids + id_len + type_len + memory.len);
	uint8_t *at;

	if (!p)
		return NULL;
	p->n = watch->n;
	if (ids)
		memcpy(p->mailboxes, watch->mailboxes, ids);
	at = (uint8_t *) p->mailboxes + ids;
	p->device_id = memcpy(at, rq->device_id, id_len);
	p->device_type = memcpy(at + id_len, rq->device_type, type_len);
	at += id_len + type_len;
	if (memory.len)
		memcpy(at, memory.p, memory.len);
	p->memory = span_make(at, memory.len);
	return p;
}

static void fill_parked(struct parked *p, const struct eas_request *rq)
{
	static const struct turn_ops ops = { go_on, give_up };

	p->turn.ops = &ops;
	p->service = rq->service;
	p->exchange = rq->exchange;
	p->account = account_ref(rq->account);
	p->listener.on_change = on_change;
	p->command = rq->command;
	p->serial = rq->serial;
	p->policy_key = rq->policy_key;
	p->version = (uint16_t) rq->version;
	p->accept_multipart = rq->accept_multipart;
	(void) evtimer_assign(&p->timer, rq->parts->base, on_timer, p);
}

static void enter(struct parked *p)
{
	TAILQ_INSERT_TAIL(bucket_of(&p->service->park, p->device_id), p, entry);
	account_listen(p->account, &p->listener);
	http_drop_request(p->exchange);
	http_watch_client(p->exchange, on_gone, p);
	metric_add(IMAPD_EAS_WAITING, 1);
}

/* From the loop, as the fiber that parks has to end first. */
static void wake_soon(struct parked *p, enum eas_wake why)
{
	p->due = true;
	p->why = why;
	set_timer(p, 0);
}

/* ---- other workers ---- */

/* The serial, the command's code, the user's id and the device's, each with a NUL. Among processes of one
 * program. */
static void tell_others(const struct parked *p)
{
	_cleanup_buf_ struct buf word = BUF_INIT;
	const char *user = account_user_id(p->account);

	buf_add(&word, span_make(&p->serial, sizeof(p->serial)));
	buf_add_byte(&word, (uint8_t) p->command->code);
	buf_add(&word, span_make(user, strlen(user) + 1));
	buf_add(&word, span_make(p->device_id, strlen(p->device_id) + 1));
	if (!word.failed && word.len <= MESH_WORD_MAX)
		mesh_say(p->service->parts.mesh, buf_span(&word));
}

static struct parked *find_named(struct park *park, unsigned int code, const char *user, const char *device)
{
	struct parked *p;

	TAILQ_FOREACH(p, bucket_of(park, device), entry)
	if (p->command->code == code && strcmp(p->device_id, device) == 0 &&
	    strcmp(account_user_id(p->account), user) == 0)
		return p;
	return NULL;
}

void park_on_word(void *arg, struct span word)
{
	struct eas_service *s = arg;
	uint64_t serial;
	size_t names = sizeof(serial) + 1;
	const char *user, *device;
	struct parked *p;

	if (word.len <= names || word.p[word.len - 1] != '\0')
		return;
	memcpy(&serial, word.p, sizeof(serial));
	user = (const char *) word.p + names;
	device = user + strlen(user) + 1;
	if ((const uint8_t *) device >= word.p + word.len)
		return;
	p = find_named(&s->park, word.p[sizeof(serial)], user, device);
	if (p && p->serial < serial)
		wake_soon(p, EAS_WAKE_SUPERSEDED);
	else if (p && p->serial > serial)
		tell_others(p); /* it is the other one that is old */
}

static void wait_for_it(struct parked *p)
{
	uint64_t now = clock_mono_ms();

	set_timer(p, p->deadline_ms > now ? p->deadline_ms - now : 0);
	tell_others(p);
}

static void settle(struct parked *p, uint64_t seen_changes)
{
	struct parked *same = find_same(&p->service->park, p);

	if (p->service->park.draining)
		wake_soon(p, EAS_WAKE_SHUTDOWN);
	else if (same && same->serial > p->serial)
		wake_soon(p, EAS_WAKE_SUPERSEDED);
	else if (account_changes(p->account) != seen_changes || account_is_refused(p->account))
		wake_soon(p, EAS_WAKE_CHANGED);
	else
		wait_for_it(p);
	if (same && same->serial < p->serial)
		wake_soon(same, EAS_WAKE_SUPERSEDED);
}

void eas_park(struct eas_request *rq, uint64_t deadline_ms, const struct eas_watch *watch,
              eas_wake_fn *wake_fn, struct span memory)
{
	struct parked *p;

	if (http_is_gone(rq->exchange)) {
		rq->answer->kind = EAS_ANSWER_PARKED;
		http_abandon(rq->exchange);
		return;
	}
	p = parked_create(rq, watch, memory);
	if (!p) {
		eas_answer_http(rq, 503);
		return;
	}
	if (rq->device)
		account_saw_rules(rq->account, rq->device->print);
	rq->answer->kind = EAS_ANSWER_PARKED;
	p->deadline_ms = deadline_ms;
	p->hierarchy = watch->hierarchy;
	p->wake = wake_fn;
	fill_parked(p, rq);
	enter(p);
	settle(p, rq->changes);
}
