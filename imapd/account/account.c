#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/id.h"
#include "imapd/account/internal.h"

#define IDLE_S        300 /* how long an account nobody uses is kept: phones come back every few minutes */
#define WATCH_AGAIN_S 1

/* ---- all of a worker's ---- */

int accounts_create(const struct accounts_options *o, struct accounts **ret_accounts, struct err *err)
{
	struct accounts *as = calloc(1, sizeof(*as));

	if (!as)
		return err_set(err, POD_E_NOMEM, "accounts");
	as->o = *o;
	random_bytes(as->key, sizeof(as->key));
	for (size_t i = 0; i < HASH_BUCKETS; i++)
		TAILQ_INIT(&as->buckets[i]);
	*ret_accounts = as;
	return 0;
}

static struct account *account_free(struct account *ac)
{
	ac->session = store_session_free(ac->session); /* its calls, the watch among them, go with it */
	(void) event_del(&ac->timer);
	buf_done(&ac->token);
	free(ac->address);
	free(ac->user_id);
	free(ac);
	return NULL;
}

static struct account_bucket *bucket_of(struct accounts *as, const char *user_id)
{
	return &as->buckets[fnv32(FNV32_START, span_of(user_id)) % HASH_BUCKETS];
}

static void unlist(struct account *ac)
{
	if (ac->listed)
		TAILQ_REMOVE(bucket_of(ac->owner, ac->user_id), ac, entry);
	ac->listed = false;
}

struct accounts *accounts_free(struct accounts *as)
{
	for (size_t i = 0; as && i < HASH_BUCKETS; i++) {
		struct account *ac;

		while ((ac = TAILQ_FIRST(&as->buckets[i]))) {
			unlist(ac);
			(void) account_free(ac);
		}
	}
	free(as);
	return NULL;
}

struct account *account_find(struct accounts *as, const char *user_id)
{
	struct account *ac;

	TAILQ_FOREACH(ac, bucket_of(as, user_id), entry)
	if (strcmp(ac->user_id, user_id) == 0)
		return ac;
	return NULL;
}

void accounts_each(struct accounts *as, void (*fn)(void *arg, struct account *ac), void *arg)
{
	for (size_t i = 0; i < HASH_BUCKETS; i++) {
		struct account *ac, *next;

		for (ac = TAILQ_FIRST(&as->buckets[i]); ac; ac = next) {
			next = TAILQ_NEXT(ac, entry);
			fn(arg, ac);
		}
	}
}

/* ---- what changes ---- */

static void start_watch(struct account *ac);

/* A listener may end itself and others meanwhile: the list is begun anew until each has been told. */
static void tell(struct account *ac, uint32_t mailbox)
{
	struct account_listener *l;
	uint64_t now = ++ac->changes;

	do {
		for (l = ac->listeners; l && l->told == now; l = l->next)
			;
		if (l) {
			l->told = now;
			l->on_change(l, mailbox);
		}
	} while (l);
}

static void set_timer(struct account *ac, int seconds)
{
	struct timeval tv = { seconds, 0 };

	(void) event_add(&ac->timer, &tv);
}

/* Of the account: his password may be another one. */
static void on_event(struct account *ac, const Podstore__WatchEvent *event)
{
	if (event->account)
		store_session_check(ac->session);
	tell(ac, event->account ? ACCOUNT_CHANGE_RULES : event->mailbox);
}

static void on_watch(void *arg, const struct store_reply *reply)
{
	struct account *ac = arg;

	if (!reply->final) {
		on_event(ac, (const Podstore__WatchEvent *) reply->message);
		return;
	}
	ac->watch = NULL;
	/* Lost with the store's connection, on_back begins it anew. Otherwise the store was short of memory.
	 */
	if (reply->code != -POD_E_UNAVAILABLE && !ac->refused)
		set_timer(ac, WATCH_AGAIN_S);
}

static void start_watch(struct account *ac)
{
	if (ac->watch)
		return;
	podstore__watch__init(&ac->watch_request);
	ac->watch = store_session_call(ac->session, STORE_WATCH, &ac->watch_request.base, SPAN_NONE, -1,
	                               on_watch, ac);
}

int account_watch(struct account *ac)
{
	ac->watching = true;
	if (!ac->refused)
		start_watch(ac);
	return ac->watch ? 0 : -POD_E_UNAVAILABLE;
}

uint64_t account_changes(const struct account *ac)
{
	return ac->changes;
}

void account_listen(struct account *ac, struct account_listener *l)
{
	l->told = ac->changes;
	l->next = ac->listeners;
	l->at = &ac->listeners;
	if (l->next)
		l->next->at = &l->next;
	ac->listeners = l;
}

void account_saw_rules(struct account *ac, uint64_t print)
{
	ac->rules = print;
}

void account_set_rules(struct account *ac, uint64_t print)
{
	if (ac->rules == print)
		return;
	ac->rules = print;
	tell(ac, ACCOUNT_CHANGE_RULES);
}

void account_unlisten(struct account_listener *l)
{
	if (!l->at)
		return;
	*l->at = l->next;
	if (l->next)
		l->next->at = l->at;
	l->at = NULL;
}

/* ---- one account ---- */

static void on_back(void *arg)
{
	struct account *ac = arg;

	if (!ac->watching)
		return;
	start_watch(ac);
	tell(ac, ACCOUNT_CHANGE_UNKNOWN);
}

static void on_refused(void *arg, int code)
{
	account_refuse(arg);
}

static void on_answered(void *arg)
{
	/* Who asked was told by the answer itself. */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct account *ac = arg;

	if (ac->refs == 0) {
		unlist(ac);
		(void) account_free(ac);
	} else if (ac->watching && !ac->watch) {
		start_watch(ac);
		if (!ac->watch)
			set_timer(ac, WATCH_AGAIN_S);
		tell(ac, ACCOUNT_CHANGE_UNKNOWN);
	}
}

static bool fill(struct account *ac, const char *user_id, const char *address, struct span token)
{
	struct store_session_options o = {
		.client = ac->client,
		.token = token,
		.timeout_ms = (unsigned int) ac->owner->o.conf->imapd.store_timeout_ms,
		.on_back = on_back,
		.on_refused = on_refused,
		.on_answered = on_answered,
		.arg = ac,
	};

	ac->user_id = strdup(user_id);
	ac->address = strdup(address);
	buf_add(&ac->token, token);
	if (!ac->user_id || !ac->address || ac->token.failed)
		return false;
	ac->session = store_session_create(&o);
	return ac->session != NULL;
}

struct account *account_create(struct accounts *as, struct store_client *client, const char *user_id,
                               const char *address, struct span token)
{
	struct account *ac = calloc(1, sizeof(*ac));

	if (!ac)
		return NULL;
	ac->owner = as;
	ac->client = client;
	ac->refs = 1;
	(void) evtimer_assign(&ac->timer, as->o.base, on_timer, ac);
	if (!fill(ac, user_id, address, token))
		return account_free(ac);
	TAILQ_INSERT_HEAD(bucket_of(as, user_id), ac, entry);
	ac->listed = true;
	ac->checked_ms = clock_mono_ms();
	return ac;
}

void account_refuse(struct account *ac)
{
	if (ac->refused)
		return;
	ac->refused = true;
	unlist(ac);
	tell(ac, ACCOUNT_CHANGE_UNKNOWN);
}

struct account *account_ref(struct account *ac)
{
	ac->refs++;
	return ac;
}

/* Never freed at once: this may be inside the answer to one of its own calls. */
struct account *account_unref(struct account *ac)
{
	if (ac && --ac->refs == 0)
		set_timer(ac, ac->refused ? 0 : IDLE_S);
	return NULL;
}

const char *account_address(const struct account *ac)
{
	return ac->address;
}

const char *account_user_id(const struct account *ac)
{
	return ac->user_id;
}

bool account_is_refused(const struct account *ac)
{
	return ac->refused;
}
