#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/metric.h"
#include "mta/queue/safety_flush.h"
#include "mta/safetynet/safetynet.h"
#include "mta/service/metrics.h"
#include "podctl/podd/safe_mark.h"

struct fixture {
	char dir[48];
	struct arena *a;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/podmail-safety-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->a = arena_create(1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];

	(void) snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a folder of the test's */
	(void) arena_free(f->a);
	free(f);
	return 0;
}

static struct guid keep(struct fixture *f, const char *volume, int64_t acked_ms, const char *text, int fd)
{
	struct safetynet_message m = { .volume = volume,
		                       .id = guid_new(),
		                       .token = 7,
		                       .acked_ms = acked_ms,
		                       .envelope = SPAN_LIT("envelope"),
		                       .fd = fd,
		                       .bytes = span_of(text),
		                       .size = strlen(text) };
	struct err err = { 0 };

	if (safetynet_keep(f->dir, &m, &err) < 0)
		fail_msg("%s", err.text);
	return m.id;
}

static void assert_holds(struct fixture *f, const struct safetynet_entry *e, const char *text)
{
	char got[100] = "";
	struct span envelope;
	int fd;

	assert_int_equal(safetynet_open(f->dir, "vol01", e, f->a, &envelope, &fd, NULL), 0);
	assert_true(span_eq(envelope, SPAN_LIT("envelope")));
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
	(void) close(fd);
}

static void what_is_kept_is_found_oldest_first_and_whole(void **state)
{
	struct fixture *f = *state;
	char path[100];
	FILE *source, *stray;
	struct safetynet_entries found;
	const char **names;
	struct guid second, first;
	size_t n;

	assert_int_equal(safetynet_list(f->dir, "vol01", 10, f->a, &found, NULL), -POD_E_NOTFOUND);
	(void) snprintf(path, sizeof(path), "%s/source", f->dir);
	source = fopen(path, "w+");
	assert_non_null(source);
	assert_true(fputs("from a file", source) >= 0);
	assert_int_equal(fflush(source), 0);
	second = keep(f, "vol01", 2000, "from a file", fileno(source));
	first = keep(f, "vol01", 1000, "from memory", -1);
	(void) keep(f, "vol02", 1, "", -1);
	(void) snprintf(path, sizeof(path), "%s/safety/vol01/draft.no.file.ofours", f->dir);
	stray = fopen(path, "w");
	assert_non_null(stray);
	(void) fclose(stray);
	(void) fclose(source);
	assert_int_equal(safetynet_volumes(f->dir, f->a, &names, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(safetynet_list(f->dir, "vol01", 10, f->a, &found, NULL), 0);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.bytes, 22);
	assert_true(guid_eq(&found.items[0].id, &first) && guid_eq(&found.items[1].id, &second));
	assert_int_equal(found.items[0].token, 7);
	assert_holds(f, &found.items[0], "from memory");
	assert_holds(f, &found.items[1], "from a file");
	safetynet_forget(f->dir, "vol01", &found.items[0]);
	assert_int_equal(safetynet_list(f->dir, "vol01", 10, f->a, &found, NULL), 0);
	assert_int_equal(found.n, 1);
}

static void a_file_cut_short_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct safetynet_entries found;
	struct span envelope;
	struct guid id = keep(f, "vol01", 1000, "0123456789", -1);
	char path[200], text[ID_TEXT_SIZE];
	int fd;

	guid_format(&id, text);
	(void) snprintf(path, sizeof(path), "%s/safety/vol01/0000000001000.7.10.%s", f->dir, text);
	assert_int_equal(safetynet_list(f->dir, "vol01", 10, f->a, &found, NULL), 0);
	for (off_t len = 33; len >= 0; len -= 11) {
		assert_int_equal(truncate(path, len), 0);
		assert_int_equal(safetynet_open(f->dir, "vol01", &found.items[0], f->a, &envelope, &fd, NULL),
		                 -POD_E_CORRUPT);
	}
}

static void what_the_standby_has_goes_and_what_a_promoted_one_may_lack_comes_again(void **state)
{
	static const struct {
		int64_t acked_ms;
		uint64_t token;
		int64_t safe_ms;
		uint64_t mark_token, token_now;
		enum safetynet_fate fate;
	} cases[] = {
		{ 1000, 7, 2000, 7, 7, SAFETYNET_GOES },
		{ 1000, 7, 1000, 7, 7, SAFETYNET_STAYS }, /* acknowledged when it was asked: not before */
		{ 3000, 7, 2000, 7, 7, SAFETYNET_STAYS },
		{ 3000, 7, 2000, 7, 8, SAFETYNET_AGAIN },
		{ 1000, 7, 2000, 7, 8, SAFETYNET_GOES }, /* it was safe before the failover */
		{ 1000, 7, 9000, 8, 8,
		  SAFETYNET_AGAIN }, /* the new primary's standby says nothing about it */
		{ 1000, 7, 0, 0, 7, SAFETYNET_STAYS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct safetynet_entry e = { .acked_ms = cases[i].acked_ms, .token = cases[i].token };
		const struct safetynet_mark mark = { cases[i].safe_ms, cases[i].mark_token };

		assert_int_equal(safetynet_judge(&e, &mark, cases[i].token_now), cases[i].fate);
	}
}

static bool take(struct safe_mark *m, int64_t asked_ms, uint64_t own, uint64_t peer, const char *trouble)
{
	json_t *status = json_pack("{s{sI}, s[{sb, sI, sI}]}", "cursors", "durable", (json_int_t) own,
	                           "peers", "connected", strcmp(trouble, "gone") != 0, "dirty_bytes",
	                           (json_int_t) (strcmp(trouble, "dirty") == 0 ? 512 : 0), "durable_lsn",
	                           (json_int_t) peer);
	bool moved = safe_mark_take(m, status, asked_ms, 1);

	json_decref(status);
	return moved;
}

static void a_mark_is_a_moment_before_which_the_standby_has_all(void **state)
{
	struct safe_mark m = { 0 };

	assert_false(take(&m, 1000, 100, 50, ""));
	assert_false(take(&m, 2000, 200, 90, ""));
	assert_true(take(&m, 3000, 300, 100, ""));
	assert_int_equal(m.safe_ms, 1000);
	assert_true(take(&m, 4000, 300, 299, ""));
	assert_int_equal(m.safe_ms, 2000);
	assert_true(take(&m, 5000, 300, 300, ""));
	assert_int_equal(m.safe_ms, 5000); /* nothing was written since */
	assert_false(take(&m, 6000, 400, 400, "gone"));
	assert_false(take(&m, 7000, 400, 400, "dirty"));
	assert_int_equal(m.safe_ms, 5000);
	/* Hours behind: the mark is late, never wrong. */
	for (int i = 0; i < 5000; i++)
		assert_false(take(&m, 8000 + i, 1000 + (uint64_t) i, 399, ""));
	assert_true(take(&m, 20000, 9000, 3000, ""));
	assert_in_range(m.safe_ms, 8000, 10000);
	assert_true(take(&m, 21000, 9000, 9000, ""));
	assert_int_equal(m.safe_ms, 21000);
}

static void a_mark_travels_from_podd_to_the_mta(void **state)
{
	struct fixture *f = *state;
	const struct safe_mark m = { .safe_ms = 1795651200123, .token = 9 };
	struct safetynet_mark got;

	assert_false(safetynet_mark_read(f->dir, "vol01", &got));
	safe_mark_publish(&m, f->dir, "vol01");
	assert_true(safetynet_mark_read(f->dir, "vol01", &got));
	assert_true(got.safe_ms == 1795651200123 && got.token == 9);
}

/* ---- whether it is wanted ---- */

static void literal(const char *text, char **ret)
{
	*ret = (char *) (uintptr_t) text;
}

/* The volume's record as podd would write it, with one standby. */
static void write_volume(struct directory *dir, bool create, const char *mode, bool in_sync, uint64_t token)
{
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	Directory__Replica one = DIRECTORY__REPLICA__INIT, two = DIRECTORY__REPLICA__INIT,
			   *both[] = { &one, &two };
	struct err err = { 0 };

	literal("0123", &v.id);
	literal("unix:/run/vol01.sock", &v.endpoint);
	literal("host1", &v.primary_host);
	literal("host1", &one.host);
	literal("host1", &two.host);
	literal("replicated", &v.kind);
	literal("site1", &v.primary_site);
	literal("site1", &one.site);
	literal("site2", &two.site);
	literal("sync", &one.mode);
	literal(mode, &two.mode);
	literal("active", &v.state);
	one.in_sync = true;
	two.in_sync = in_sync;
	v.token = token;
	v.replicas = both;
	v.n_replicas = ARRAY_SIZE(both);
	if ((create ? directory_create : directory_replace)(dir, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &v.base,
	                                                    &err) < 0)
		fail_msg("%s", err.text);
}

static struct directory *open_directory(const struct fixture *f)
{
	Directory__Host host = DIRECTORY__HOST__INIT;
	Directory__Site site = DIRECTORY__SITE__INIT;
	struct directory *dir = NULL;
	char path[64];

	(void) snprintf(path, sizeof(path), "%s/directory", f->dir);
	assert_int_equal(directory_open_writer(path, &dir, NULL), 0);
	literal("site1", &host.site);
	assert_int_equal(directory_create(dir, DIRECTORY_SITE, SPAN_LIT("site1"), &site.base, NULL), 0);
	assert_int_equal(directory_create(dir, DIRECTORY_SITE, SPAN_LIT("site2"), &site.base, NULL), 0);
	assert_int_equal(directory_create(dir, DIRECTORY_HOST, SPAN_LIT("host1"), &host.base, NULL), 0);
	return dir;
}

/* The answer to a message may wait for the standby until that is struck: then it is the primary's alone. */
static void what_was_asked_while_the_standby_had_all_is_kept_where_it_is_struck_meanwhile(void **state)
{
	static const struct {
		const char *mode;
		bool before, after; /* in sync */
		bool kept;
	} cases[] = {
		{ "sync", true, true, false },     { "sync", true, false, true },
		{ "sync", false, false, true },    { "sync", false, true, true },
		{ "semi-sync", true, true, true }, { "async", false, false, true },
		{ "none", false, false, false },
	};
	struct fixture *f = *state;
	struct directory *dir = open_directory(f);

	assert_int_equal(safetynet_watch(dir, f->a, "vol01").token, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct safetynet_watch w;

		write_volume(dir, i == 0, cases[i].mode, cases[i].before, 10 + 2 * i);
		w = safetynet_watch(dir, f->a, "vol01");
		write_volume(dir, false, cases[i].mode, cases[i].after, 11 + 2 * i);
		assert_int_equal(w.token, 10 + 2 * i); /* who was asked, not who is primary now */
		assert_int_equal(safetynet_wants(&w, dir, f->a, "vol01"), cases[i].kept);
	}
	assert_false(safetynet_wants(&(struct safetynet_watch){ 0, false }, dir, f->a, "vol01"));
	(void) directory_close(dir);
}

static void what_is_kept_can_be_flushed_and_drafts_of_the_dead_go(void **state)
{
	struct fixture *f = *state;
	struct safetynet_entries list;
	char old[128], young[128], command[400];

	assert_int_equal(safetynet_flush(f->dir, NULL), 0); /* nothing is there yet */
	(void) keep(f, "vol01", 1000, "hello", -1);
	assert_int_equal(safetynet_flush(f->dir, NULL), 0);
	(void) snprintf(old, sizeof(old), "%s/safety/vol01/draft.old", f->dir);
	(void) snprintf(young, sizeof(young), "%s/safety/vol01/draft.young", f->dir);
	(void) snprintf(command, sizeof(command), "touch -d '1 hour ago' %s && touch %s", old, young);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a folder of the test's */
	safetynet_clean(f->dir, "vol01", 600);
	safetynet_clean(f->dir, "nosuch", 600);
	assert_int_not_equal(access(old, F_OK), 0);
	assert_int_equal(access(young, F_OK), 0);
	assert_int_equal(safetynet_list(f->dir, "vol01", 10, f->a, &list, NULL), 0);
	assert_int_equal(list.n, 1);
}

static void what_is_wanted_is_flushed_by_a_thread_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct safety_flush *flush = NULL;

	assert_int_equal(metric_open(NULL, mta_metrics, MTA_METRICS_N, NULL), 0);
	assert_int_equal(safety_flush_start(f->dir, &flush, NULL), 0);
	assert_null(safety_flush_stop(flush));
	assert_int_equal(metric_get(M_SAFETY_FLUSHES), 0); /* nobody wanted it */
	(void) keep(f, "vol01", 1000, "hello", -1);
	assert_int_equal(safety_flush_start(f->dir, &flush, NULL), 0);
	for (int i = 0; i < 100; i++)
		safety_flush_want(flush);
	assert_null(safety_flush_stop(flush)); /* not before it is done */
	assert_in_range(metric_get(M_SAFETY_FLUSHES), 1, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_kept_is_found_oldest_first_and_whole),
		TEST(a_file_cut_short_is_told_apart),
		TEST(what_is_kept_can_be_flushed_and_drafts_of_the_dead_go),
		TEST(what_is_wanted_is_flushed_by_a_thread_of_its_own),
		TEST(a_mark_travels_from_podd_to_the_mta),
		TEST(what_was_asked_while_the_standby_had_all_is_kept_where_it_is_struck_meanwhile),
		cmocka_unit_test(what_the_standby_has_goes_and_what_a_promoted_one_may_lack_comes_again),
		cmocka_unit_test(a_mark_is_a_moment_before_which_the_standby_has_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
