/*
 * Durable deliveries a second on one volume, straight into store/index: no protocol, no sockets.
 *   store_deliver FOLDER SUBMITTERS SECONDS [USERS [BYTES [MESSAGES [SETTLE_MS]]]]
 * Each submitter has one delivery under way and hands in the next when it is answered. MESSAGES are put into the first
 * user's INBOX before, and all deliveries then go there. SETTLE_MS: as stored.delivery_settle, 500 unless said. One line: deliveries a second, commits, changes a commit.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/index/index.h"
#include "store/index/submit_wait.h"

struct bench {
	struct volume *vol;
	unsigned int users;
	size_t bytes;
	char *text;
	atomic_bool stop;
	atomic_long delivered, failed;
	bool one_mailbox;
};

static void die(const char *what, const struct err *err)
{
	(void) fprintf(stderr, "%s: %s\n", what, err_text(err));
	exit(1);
}

static int deliver(struct bench *b, unsigned int user)
{
	static const char summary[800] = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
	struct arena *a = arena_create(1 << 16);
	char id[16];
	struct deliver_recipient rcpt = { .user_id = SPAN_NONE };
	struct change c = { .kind = CHANGE_DELIVER, .a = a, .id = guid_new() };
	const struct span text = span_make(b->text, b->bytes);
	struct volume_body body = volume_hold_body(SPAN_NONE, text);
	int r = b->bytes <= VOLUME_BODY_HELD_MAX ? 0 : volume_stage_body(b->vol, SPAN_NONE, text, -1, 0, &body, NULL);

	(void) snprintf(id, sizeof(id), "u%04u", user);
	rcpt.user_id = span_of(id);
	c.u.deliver.bodies = &body;
	c.u.deliver.bodies_n = 1;
	c.u.deliver.rcpts = &rcpt;
	c.u.deliver.rcpts_n = 1;
	c.u.deliver.summary = (struct volume_summary){ span_make(summary, 300), span_make(summary, 200), span_make(summary, 60),
		                                       span_make(summary, 700) };
	r = r < 0 ? r : volume_submit_wait(b->vol, &c, NULL);
	volume_body_done(&body);
	(void) arena_free(a);
	return r < 0 ? r : rcpt.code;
}

static void *submitter(void *arg)
{
	struct bench *b = arg;
	unsigned int seed = (unsigned int) clock_mono_us() ^ (unsigned int) (uintptr_t) &seed;

	while (!atomic_load(&b->stop)) {
		unsigned int user = b->one_mailbox ? 0 : (unsigned int) rand_r(&seed) % b->users;

		if (deliver(b, user) == 0)
			(void) atomic_fetch_add(&b->delivered, 1);
		else
			(void) atomic_fetch_add(&b->failed, 1);
	}
	return NULL;
}

static void *fill(void *arg)
{
	struct bench *b = arg;

	while (atomic_fetch_sub(&b->delivered, 1) > 0 && !atomic_load(&b->stop))
		if (deliver(b, 0) < 0)
			(void) atomic_fetch_add(&b->failed, 1);
	return NULL;
}

static void run_threads(struct bench *b, unsigned int n, void *(*fn)(void *), unsigned int seconds)
{
	pthread_t *t = calloc(n, sizeof(*t));

	for (unsigned int i = 0; t && i < n; i++)
		if (pthread_create(&t[i], NULL, fn, b) != 0)
			exit(1);
	if (seconds) {
		struct timespec ts = { .tv_sec = seconds };

		(void) nanosleep(&ts, NULL);
		atomic_store(&b->stop, true);
	}
	for (unsigned int i = 0; t && i < n; i++)
		(void) pthread_join(t[i], NULL);
	free(t);
}

static void add_users(struct bench *b)
{
	for (unsigned int i = 0; i < b->users; i++) {
		struct arena *a = arena_create(1 << 16);
		struct err err = { 0 };
		char id[16], address[64];
		struct change c = { .kind = CHANGE_USER_ADD, .a = a };

		(void) snprintf(id, sizeof(id), "u%04u", i);
		(void) snprintf(address, sizeof(address), "%s@example.test", id);
		c.user_id = span_of(id);
		c.u.user_op.user.address = address;
		if (volume_submit_wait(b->vol, &c, &err) < 0)
			die("user add", &err);
		(void) arena_free(a);
	}
}

static unsigned int number(int argc, char **argv, int i, unsigned int otherwise)
{
	return argc > i ? (unsigned int) strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	unsigned int submitters = number(argc, argv, 2, 10), seconds = number(argc, argv, 3, 5), before = number(argc, argv, 6, 0);
	struct bench b = { .users = number(argc, argv, 4, 100), .bytes = number(argc, argv, 5, 4096), .one_mailbox = before > 0 };
	struct volume_options o = { .path = argc > 1 ? argv[1] : "", .users_max = 1000, .write_behind_ms = 1000, .settle_ms = number(argc, argv, 7, 500), .delivery_memory_days = 7 };
	struct volume_counts from, to;
	struct err err = { 0 };

	b.text = malloc(b.bytes);
	if (argc < 2 || !b.text || b.users == 0 || submitters == 0 || seconds == 0)
		return 2;
	memset(b.text, 'x', b.bytes);
	if (volume_create(o.path, "bench", &err) < 0 || volume_open(&o, &b.vol, &err) < 0)
		die("volume", &err);
	add_users(&b);
	atomic_store(&b.delivered, before);
	if (before)
		run_threads(&b, 50, fill, 0);
	atomic_store(&b.delivered, 0);
	if (volume_count(b.vol, &from, &err) < 0)
		die("count", &err);
	run_threads(&b, submitters, submitter, seconds);
	if (volume_count(b.vol, &to, &err) < 0)
		die("count", &err);
	(void) printf("submitters=%u users=%u deliveries_per_s=%.0f commits_per_s=%.0f per_commit=%.1f failed=%ld pending=%llu\n",
	              submitters, b.users, (double) atomic_load(&b.delivered) / seconds,
	              (double) (to.commits - from.commits) / seconds,
	              (double) (to.messages - from.messages) / (double) (to.commits - from.commits + 1), atomic_load(&b.failed),
	              (unsigned long long) to.pending);
	b.vol = volume_close(b.vol);
	free(b.text);
	return 0;
}
