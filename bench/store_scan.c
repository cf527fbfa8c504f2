/*
 * What reading a large mailbox costs in store/index alone: no protocol, no sockets.
 *   store_scan FOLDER [MESSAGES]
 * Puts so many messages into one mailbox, then times what SELECT, FETCH FLAGS and FETCH ENVELOPE ask for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/index/index.h"
#include "store/index/submit_wait.h"
#include "storeproto/storeproto.h"

#define COPIES 50
#define ROUNDS 20

static void must(int r, const struct err *err)
{
	if (r < 0) {
		(void) fprintf(stderr, "%s\n", err_text(err));
		exit(1);
	}
}

/* One body, COPIES messages of it in a change: quick, and the index cannot tell. */
static void fill(struct volume *vol, unsigned int n)
{
	static const char envelope[300] = "x", detail[600] = "y";
	struct err err = { 0 };

	for (unsigned int i = 0; i < n; i += COPIES) {
		struct arena *a = arena_create(1 << 20);
		struct volume_body body = { .fd = -1 };
		struct change c[COPIES];

		must(volume_stage_body(vol, SPAN_NONE, SPAN_LIT("x\r\n"), -1, 0, &body, &err), &err);
		for (int j = 0; j < COPIES; j++) {
			c[j] = (struct change){ .kind = CHANGE_APPEND, .a = a, .user_id = SPAN_LIT("u") };
			c[j].u.append.name = SPAN_LIT("INBOX");
			c[j].u.append.body = body;
			c[j].u.append.flags = i % 200 ? STORE_FLAG_SEEN : 0;
			c[j].u.append.summary = (struct volume_summary){ span_make(envelope, 300), span_make(detail, 200),
				                                         span_make(detail, 100), span_make(detail, 600) };
			must(volume_submit_wait(vol, &c[j], &err), &err);
		}
		volume_body_done(&body);
		(void) arena_free(a);
	}
}

static int count_row(void *arg, const struct volume_row *row)
{
	*(uint64_t *) arg += row->flags + row->envelope.len + 1;
	return 0;
}

static void time_fetch(struct volume *vol, uint32_t mailbox, uint32_t columns, const char *what)
{
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };
	struct err err = { 0 };
	uint64_t sum = 0, from = clock_mono_us();

	for (int i = 0; i < ROUNDS; i++)
		must(volume_fetch(vol, SPAN_LIT("u"), mailbox, &uids, columns, 0, count_row, &sum, &err), &err);
	(void) printf("%s=%.2fms (%llu)\n", what, (double) (clock_mono_us() - from) / ROUNDS / 1000, (unsigned long long) sum);
}

static void time_open(struct volume *vol, bool changing)
{
	struct err err = { 0 };
	uint64_t spent = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct arena *a = arena_create(1 << 24);
		struct volume_opened o;
		uint64_t from;

		if (changing)
			fill(vol, 1);
		from = clock_mono_us();
		must(volume_mailbox_open(vol, a, SPAN_LIT("u"), SPAN_LIT("INBOX"), VOLUME_SELECT, &o, &err), &err);
		spent += clock_mono_us() - from;
		(void) arena_free(a);
	}
	(void) printf("%s=%.3fms\n", changing ? "open_changed" : "open", (double) spent / ROUNDS / 1000);
}

int main(int argc, char **argv)
{
	struct volume_options o = { .path = argc > 1 ? argv[1] : "", .users_max = 1000, .write_behind_ms = 1000, .delivery_memory_days = 7 };
	struct arena *a = arena_create(1 << 20);
	struct change add = { .kind = CHANGE_USER_ADD, .a = a, .user_id = SPAN_LIT("u") };
	struct volume_mailbox m;
	struct volume *vol;
	struct err err = { 0 };

	if (argc < 2 || !a)
		return 2;
	must(volume_create(o.path, "bench", &err), &err);
	must(volume_open(&o, &vol, &err), &err);
	add.u.user_op.user.address = "u@example.test";
	must(volume_submit_wait(vol, &add, &err), &err);
	fill(vol, argc > 2 ? (unsigned int) strtoul(argv[2], NULL, 10) : 100000);
	must(volume_mailbox_get(vol, a, SPAN_LIT("u"), SPAN_LIT("INBOX"), &m, &err), &err);
	(void) printf("messages=%u\n", m.messages);
	time_open(vol, false);
	time_open(vol, true);
	time_fetch(vol, m.id, STORE_COL_FLAGS, "flags");
	time_fetch(vol, m.id, STORE_COL_ENVELOPE, "envelope");
	time_fetch(vol, m.id, STORE_COL_ENVELOPE | STORE_COL_BODYSTRUCTURE | STORE_COL_HEADERS, "all");
	vol = volume_close(vol);
	(void) arena_free(a);
	return 0;
}
