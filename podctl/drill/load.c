#include "podctl/drill/load.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "podctl/drill/imap.h"
#include "podctl/drill/smtp.h"

#define SENDERS          LOAD_USERS /* one for each user's mail */
#define TIMEOUT_MS       120000     /* a delivery may wait for a volume that is being taken over */
#define LOOK_EVERY_MS    20
#define PROBE_TIMEOUT_MS 5000
#define RETRY_MS         20
#define UNKNOWN_MAX      256

struct load_thread {
	struct load *load;
	pthread_t id;
	unsigned int user;
	bool started;
};

struct load {
	const struct load_options *o;
	atomic_bool stop;
	_Atomic uint64_t mark_ms, read_ms, delivered_ms;
	struct load_thread senders[SENDERS], flaggers[LOAD_USERS], prober;
};

static void pause_ms(uint64_t ms)
{
	const struct timespec t = { (time_t) (ms / 1000), (long) (ms % 1000) * 1000000 };

	(void) nanosleep(&t, NULL);
}

size_t load_number(const char *run, const char *subject)
{
	size_t len = strlen(run);
	char *end;
	unsigned long long n;

	if (strncmp(subject, run, len) != 0 || subject[len] != ' ')
		return SIZE_MAX;
	n = strtoull(subject + len + 1, &end, 10);
	return end != subject + len + 1 && !*end ? (size_t) n : SIZE_MAX;
}

/* ---- handing in ---- */

static void send_one(struct load_thread *t, struct talk *w)
{
	const struct load_options *o = t->load->o;
	const char *to = o->users[t->user].address;
	struct err err = { 0 };
	char text[1024];
	size_t n;
	int r;

	if (w->fd < 0 && smtp_open(w, &o->smtp, TIMEOUT_MS, &err) < 0) {
		pause_ms(RETRY_MS);
		return;
	}
	n = ledger_begin(o->ledger, t->user, clock_mono_ms());
	if (n == SIZE_MAX)
		return;
	(void) snprintf(
		text, sizeof(text),
		"From: drill <%s>\r\nTo: %s\r\nSubject: %s %zu\r\nMessage-ID: <%s.%zu@drill.invalid>\r\n\r\n"
		"Sent by podctl drill.\r\n",
		to, to, o->run, n, o->run, n);
	r = smtp_send(w, to, to, text, &err);
	if (r == 0)
		ledger_acknowledged(o->ledger, n, clock_mono_ms());
	else if (r == -POD_E_BUSY || r == -POD_E_DENIED)
		ledger_refused(o->ledger);
}

/* Paced by the clock; what the pod held up is not caught up on, other senders do not either. */
static void *sender_main(void *arg)
{
	struct load_thread *t = arg;
	const uint64_t every_us = 1000000ull * SENDERS / t->load->o->per_second;
	uint64_t next = clock_mono_us() + every_us * t->user / SENDERS;
	struct talk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = -1;
	while (!atomic_load(&t->load->stop)) {
		uint64_t now = clock_mono_us();

		if (now < next) {
			pause_ms((next - now) / 1000 < LOOK_EVERY_MS ? (next - now) / 1000 + 1
			                                             : LOOK_EVERY_MS);
			continue;
		}
		next = next + every_us > now ? next + every_us : now;
		send_one(t, w);
	}
	talk_close(w);
	free(w);
	return NULL;
}

/* ---- flags ---- */

struct unflagged {
	struct {
		uint32_t uid;
		size_t n;
	} items[UNKNOWN_MAX];
	size_t count;
	uint32_t last_uid;
	const char *run;
};

static void note_message(void *arg, uint32_t uid, const char *subject, bool flagged)
{
	struct unflagged *u = arg;
	size_t n = load_number(u->run, subject);

	if (u->count == UNKNOWN_MAX) /* those that follow are seen at the next look */
		return;
	u->last_uid = uid;
	if (n != SIZE_MAX && !flagged) {
		u->items[u->count].uid = uid;
		u->items[u->count++].n = n;
	}
}

static void flag_new(struct load_thread *t, struct talk *w, struct unflagged *u)
{
	const struct load_options *o = t->load->o;
	const struct load_user *user = &o->users[t->user];
	struct err err = { 0 };

	if (w->fd < 0 && imap_open(w, &o->imap, user->address, user->password, TIMEOUT_MS, &err) < 0) {
		pause_ms(RETRY_MS);
		return;
	}
	if (imap_fetch(w, u->last_uid + 1, note_message, u, &err) < 0)
		return;
	while (u->count && w->fd >= 0 && !atomic_load(&t->load->stop)) {
		int r = imap_set_flagged(w, u->items[u->count - 1].uid, &err);

		if (r == 0)
			ledger_flagged(o->ledger, u->items[--u->count].n);
		else
			pause_ms(RETRY_MS);
	}
}

static void *flagger_main(void *arg)
{
	struct load_thread *t = arg;
	struct unflagged u = { .run = t->load->o->run };
	struct talk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = -1;
	while (!atomic_load(&t->load->stop)) {
		flag_new(t, w, &u);
		pause_ms(LOOK_EVERY_MS);
	}
	talk_close(w);
	free(w);
	return NULL;
}

/* ---- looking ---- */

struct looking {
	struct load *load;
	uint32_t last_uid;
	bool delivered; /* one that was handed in after the mark is there */
};

static void look_at(void *arg, uint32_t uid, const char *subject, bool flagged)
{
	struct looking *k = arg;
	const struct load_options *o = k->load->o;
	uint64_t mark = atomic_load(&k->load->mark_ms);
	size_t n = load_number(o->run, subject);

	if (uid > k->last_uid)
		k->last_uid = uid;
	if (mark && n != SIZE_MAX && ledger_get(o->ledger, n).sent_ms >= mark)
		k->delivered = true;
}

/* A login and a look at what is new, on a connection of its own: what somebody does who opens a mail program
 * now. */
static void look_once(struct looking *k, struct talk *w)
{
	struct load *l = k->load;
	const struct load_user *user = &l->o->users[0];
	uint64_t began = clock_mono_ms(), mark = atomic_load(&l->mark_ms);
	struct err err = { 0 };

	if (imap_open(w, &l->o->imap, user->address, user->password, PROBE_TIMEOUT_MS, &err) < 0 ||
	    imap_fetch(w, k->last_uid ? k->last_uid : 1, look_at, k, &err) < 0)
		return;
	if (mark && began >= mark && !atomic_load(&l->read_ms))
		atomic_store(&l->read_ms, clock_mono_ms());
	if (k->delivered && !atomic_load(&l->delivered_ms))
		atomic_store(&l->delivered_ms, clock_mono_ms());
	talk_close(w);
}

static void *prober_main(void *arg)
{
	struct load_thread *t = arg;
	struct looking k = { .load = t->load };
	struct talk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = -1;
	while (!atomic_load(&t->load->stop)) {
		look_once(&k, w);
		pause_ms(LOOK_EVERY_MS);
	}
	talk_close(w);
	free(w);
	return NULL;
}

/* ---- all ---- */

static int start_thread(struct load *l, struct load_thread *t, unsigned int user, void *(*run)(void *) )
{
	*t = (struct load_thread){ .load = l, .user = user };
	t->started = pthread_create(&t->id, NULL, run, t) == 0;
	return t->started ? 0 : -POD_E_NOMEM;
}

/* Signals are for the thread that runs the drill. */
static int start_threads(struct load *l)
{
	sigset_t all, before;
	int r = 0;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned int i = 0; r == 0 && i < SENDERS; i++)
		r = start_thread(l, &l->senders[i], i, sender_main);
	for (unsigned int i = 0; r == 0 && i < LOAD_USERS; i++)
		r = start_thread(l, &l->flaggers[i], i, flagger_main);
	if (r == 0)
		r = start_thread(l, &l->prober, 0, prober_main);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int load_start(const struct load_options *o, struct load **ret_load, struct err *err)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, POD_E_NOMEM, "drill");
	l->o = o;
	if (start_threads(l) < 0) {
		(void) load_stop(l);
		return err_set(err, POD_E_NOMEM, "no threads for the drill");
	}
	*ret_load = l;
	return 0;
}

void load_mark(struct load *l, uint64_t now_ms)
{
	atomic_store(&l->mark_ms, now_ms);
}

struct load_seen load_seen(struct load *l)
{
	return (struct load_seen){ atomic_load(&l->read_ms), atomic_load(&l->delivered_ms) };
}

static void join(struct load_thread *t)
{
	if (t->started)
		(void) pthread_join(t->id, NULL);
}

struct load *load_stop(struct load *l)
{
	if (!l)
		return NULL;
	atomic_store(&l->stop, true);
	for (unsigned int i = 0; i < SENDERS; i++)
		join(&l->senders[i]);
	for (unsigned int i = 0; i < LOAD_USERS; i++)
		join(&l->flaggers[i]);
	join(&l->prober);
	free(l);
	return NULL;
}
