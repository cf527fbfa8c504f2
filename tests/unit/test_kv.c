#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kv/kv.h"

#define MAP_BYTES (1u << 20)

struct fixture {
	char top[32], dir[40];
	struct kv *kv;
	kv_table t;
};

static const struct kv_options writer = { .map_bytes = MAP_BYTES, .flags = KV_CREATE, .mode = 0640 };
static const struct kv_options reader = { .map_bytes = MAP_BYTES, .flags = KV_READONLY, .mode = 0640 };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void) snprintf(f->top, sizeof(f->top), "/tmp/podmail-kv-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	assert_int_equal(chmod(f->top, 0755), 0);
	(void) snprintf(f->dir, sizeof(f->dir), "%s/kv", f->top);
	*state = f;
	return 0;
}

static int setup_open(void **state)
{
	struct fixture *f;

	(void) setup(state);
	f = *state;
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", KV_TABLE_CREATE, &f->t, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "kv/data.mdb", "kv/lock.mdb" };
	struct fixture *f = *state;
	char path[64];

	f->kv = kv_close(f->kv);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", f->top, files[i]);
		(void) unlink(path);
	}
	(void) rmdir(f->dir);
	(void) rmdir(f->top);
	free(f);
	return 0;
}

static void put_one(struct kv *kv, kv_table t, const char *key, const char *value)
{
	KV_TXN txn = { 0 };

	assert_int_equal(kv_txn_begin(kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_put(&txn, t, span_of(key), span_of(value), NULL), 0);
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
}

static bool has(struct kv *kv, kv_table t, const char *key, const char *value)
{
	KV_TXN txn = { 0 };
	struct span v;

	return kv_txn_begin(kv, KV_READ, &txn, NULL) == 0 && kv_get(&txn, t, span_of(key), &v, NULL) == 0 &&
	       span_eq(v, span_of(value));
}

static void what_is_committed_is_there_and_what_is_aborted_is_not(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct span v;

	put_one(f->kv, f->t, "a", "1");
	{
		KV_TXN txn = { 0 };

		assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
		assert_int_equal(kv_put(&txn, f->t, SPAN_LIT("b"), SPAN_LIT("2"), NULL), 0);
		assert_int_equal(kv_insert(&txn, f->t, SPAN_LIT("a"), SPAN_LIT("x"), NULL), -POD_E_EXISTS);
	}
	{
		KV_TXN txn = { 0 };

		assert_int_equal(kv_txn_begin(f->kv, KV_READ, &txn, NULL), 0);
		assert_int_equal(kv_get(&txn, f->t, SPAN_LIT("b"), &v, &err), -POD_E_NOTFOUND);
		assert_int_equal(err.code, POD_E_NOTFOUND);
		assert_int_equal(kv_count(&txn, f->t), 1);
	}
	f->kv = kv_close(f->kv);
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", 0, &f->t, NULL), 0);
	assert_true(has(f->kv, f->t, "a", "1"));
}

static void opening_what_is_not_there_says_so(void **state)
{
	struct fixture *f = *state;
	const struct kv_options no_create = { .map_bytes = MAP_BYTES };
	struct err err = { 0 };
	kv_table t;

	assert_int_equal(kv_open(f->dir, &reader, &f->kv, &err), -POD_E_NOTFOUND);
	assert_int_equal(kv_open(f->dir, &no_create, &f->kv, &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, f->dir));
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "none", 0, &t, &err), -POD_E_NOTFOUND);
}

static void a_damaged_file_is_reported_as_damage(void **state)
{
	struct fixture *f = *state;
	char path[64], junk[8192];
	_cleanup_(closep) int fd = -1;

	memset(junk, 'x', sizeof(junk));
	(void) snprintf(path, sizeof(path), "%s/data.mdb", f->dir);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), -POD_E_CORRUPT);
}

static void a_nested_transaction_is_undone_alone(void **state)
{
	struct fixture *f = *state;
	KV_TXN txn = { 0 };

	assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_put(&txn, f->t, SPAN_LIT("outer"), SPAN_LIT("1"), NULL), 0);
	for (int keep = 0; keep < 2; keep++) {
		KV_TXN inner = { 0 };

		assert_int_equal(kv_txn_nest(&txn, f->kv, &inner, NULL), 0);
		assert_int_equal(kv_put(&inner, f->t, keep ? SPAN_LIT("kept") : SPAN_LIT("undone"),
		                        SPAN_LIT("1"), NULL),
		                 0);
		if (keep)
			assert_int_equal(kv_txn_commit(&inner, NULL), 0);
	}
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	assert_true(has(f->kv, f->t, "outer", "1"));
	assert_true(has(f->kv, f->t, "kept", "1"));
	assert_false(has(f->kv, f->t, "undone", "1"));
}

static void cursors_walk_in_key_order_both_ways_and_delete(void **state)
{
	static const char *const keys[] = { "b", "a", "d", "c" };
	struct fixture *f = *state;
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span k;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put_one(f->kv, f->t, keys[i], keys[i]);
	assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_cursor_open(&txn, f->t, &c, NULL), 0);
	assert_int_equal(kv_cursor_seek(&c, SPAN_NONE, &k, NULL), 0);
	assert_true(span_eq(k, SPAN_LIT("a")));
	assert_int_equal(kv_cursor_seek(&c, SPAN_LIT("ab"), &k, NULL), 0);
	assert_true(span_eq(k, SPAN_LIT("b")));
	assert_int_equal(kv_cursor_delete(&c, NULL), 0);
	assert_int_equal(kv_cursor_next(&c, &k, NULL), 0);
	assert_true(span_eq(k, SPAN_LIT("c")));
	assert_int_equal(kv_cursor_prev(&c, &k, NULL), 0);
	assert_true(span_eq(k, SPAN_LIT("a")));
	assert_int_equal(kv_cursor_last(&c, &k, NULL), 0);
	assert_true(span_eq(k, SPAN_LIT("d")));
	assert_int_equal(kv_cursor_next(&c, &k, NULL), -POD_E_NOTFOUND);
	assert_int_equal(kv_cursor_seek(&c, SPAN_LIT("e"), &k, NULL), -POD_E_NOTFOUND);
	/* the cursor is closed by the commit, and its cleanup finds nothing left to do */
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	assert_null(c.impl);
	assert_false(has(f->kv, f->t, "b", "b"));
}

static void a_reserved_value_and_appended_keys_are_stored(void **state)
{
	struct fixture *f = *state;
	KV_TXN txn = { 0 };
	void *room;

	assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_append(&txn, f->t, SPAN_LIT("a"), SPAN_LIT("1"), NULL), 0);
	assert_int_equal(kv_reserve(&txn, f->t, SPAN_LIT("b"), 3, &room, NULL), 0);
	memcpy(room, "xyz", 3);
	assert_int_equal(kv_append(&txn, f->t, SPAN_LIT("a"), SPAN_LIT("1"), NULL), -POD_E_EXISTS);
	assert_int_equal(kv_delete(&txn, f->t, SPAN_LIT("none"), NULL), -POD_E_NOTFOUND);
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	assert_true(has(f->kv, f->t, "b", "xyz"));
}

/* Writes until the map is full; returns how many commits were acknowledged. */
static uint32_t fill(struct fixture *f)
{
	static const uint8_t page[3000] = { 'v' };
	uint32_t n = 0;

	for (int r = 0; r == 0; n += r == 0) {
		struct key k = { .len = 0 };
		struct err err = { 0 };
		KV_TXN txn = { 0 };

		key_u32(&k, n);
		assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
		r = kv_put(&txn, f->t, key_span(&k), span_make(page, sizeof(page)), &err);
		if (r == 0)
			r = kv_txn_commit(&txn, &err);
		assert_true(r == 0 || r == -POD_E_NOSPACE);
	}
	return n;
}

static void a_full_map_refuses_and_loses_nothing(void **state)
{
	const struct kv_options larger = { .map_bytes = 2 * MAP_BYTES };
	struct fixture *f = *state;
	uint32_t n = fill(f);

	assert_in_range(n, 50, MAP_BYTES / 3000);
	for (int again = 0; again < 2; again++) {
		KV_TXN txn = { 0 };

		assert_int_equal(kv_txn_begin(f->kv, KV_READ, &txn, NULL), 0);
		assert_int_equal(kv_count(&txn, f->t), n);
		kv_txn_abort(&txn);
		f->kv = kv_close(f->kv);
		assert_int_equal(kv_open(f->dir, again ? &larger : &writer, &f->kv, NULL), 0);
		assert_int_equal(kv_table_open(f->kv, "t", 0, &f->t, NULL), 0);
	}
	put_one(f->kv, f->t, "room", "again");
	assert_true(has(f->kv, f->t, "room", "again"));
}

static void a_nested_transaction_without_room_leaves_its_parent_whole(void **state)
{
	static uint8_t big[2 * MAP_BYTES];
	struct fixture *f = *state;
	KV_TXN txn = { 0 };
	KV_TXN inner = { 0 };

	assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_put(&txn, f->t, SPAN_LIT("outer"), SPAN_LIT("1"), NULL), 0);
	assert_int_equal(kv_txn_nest(&txn, f->kv, &inner, NULL), 0);
	assert_int_equal(kv_put(&inner, f->t, SPAN_LIT("big"), span_make(big, sizeof(big)), NULL),
	                 -POD_E_NOSPACE);
	kv_txn_abort(&inner);
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	assert_true(has(f->kv, f->t, "outer", "1"));
}

static void keys_and_values_out_of_bounds_are_refused(void **state)
{
	static const uint8_t big[KV_KEY_MAX + 1];
	struct fixture *f = *state;
	struct key k = { .len = 0 };
	KV_TXN txn = { 0 };

	assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(kv_put(&txn, f->t, SPAN_NONE, SPAN_LIT("v"), NULL), -POD_E_LIMIT);
	assert_int_equal(kv_put(&txn, f->t, span_make(big, sizeof(big)), SPAN_LIT("v"), NULL), -POD_E_LIMIT);
	key_u32(&k, 7);
	assert_int_equal(key_bytes(&k, span_make(big, KV_KEY_MAX - 3)), -POD_E_LIMIT);
	assert_int_equal(key_bytes(&k, span_make(big, KV_KEY_MAX - 4)), 0);
	assert_int_equal(kv_put(&txn, f->t, key_span(&k), SPAN_LIT("v"), NULL), 0);
}

static void numbers_in_keys_sort_as_numbers(void **state)
{
	static const uint64_t values[] = { 0, 1, 255, 256, UINT32_MAX, 1ull << 40, UINT64_MAX };

	for (size_t i = 0; i + 1 < ARRAY_SIZE(values); i++) {
		struct key a = { .len = 0 }, b = { .len = 0 };

		key_u32(&a, 5);
		key_u64(&a, values[i]);
		key_u32(&b, 5);
		key_u64(&b, values[i + 1]);
		assert_true(span_cmp(key_span(&a), key_span(&b)) < 0);
		assert_int_equal(key_get_u32(key_span(&a), 0), 5);
		assert_true(key_get_u64(key_span(&a), 4) == values[i]);
		assert_int_equal(key_get_u64(key_span(&a), 5), 0);
	}
}

/* ---- a second process ---- */

/* As root, becomes nobody with the group of the files; otherwise file modes already bind us. */
static void drop_to_reader(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(getegid()) < 0 || setuid(65534) < 0))
		_exit(10);
}

static char next_order(int orders)
{
	char c;

	return read(orders, &c, 1) == 1 ? c : 'q';
}

/* Opens once and then, at each order, says whether the key of that name is there. */
static void reader_process(const char *dir, int orders, int answers)
{
	struct kv *kv = NULL;
	kv_table t;

	drop_to_reader();
	if (kv_open(dir, &reader, &kv, NULL) < 0 || kv_table_open(kv, "t", KV_TABLE_CREATE, &t, NULL) < 0)
		_exit(1);
	for (char c; (c = next_order(orders)) != 'q';) {
		const char key[] = { c, '\0' };
		char answer = has(kv, t, key, "1") ? 'y' : 'n';
		KV_TXN txn = { 0 };

		if (kv_txn_begin(kv, KV_WRITE, &txn, NULL) != -POD_E_DENIED)
			_exit(2);
		if (write(answers, &answer, 1) != 1)
			_exit(3);
	}
	(void) kv_close(kv);
	_exit(0);
}

static char ask(int orders, int answers, char c)
{
	assert_int_equal(write(orders, &c, 1), 1);
	assert_int_equal(read(answers, &c, 1), 1);
	return c;
}

static void another_process_sees_commits_without_reopening_and_needs_no_write_permission(void **state)
{
	struct fixture *f = *state;
	int to[2], from[2], status;
	char path[64];
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	(void) snprintf(path, sizeof(path), "%s/data.mdb", f->dir);
	pid = fork();
	if (pid == 0) {
		(void) close(to[1]);
		(void) close(from[0]);
		if (next_order(to[0]) == 'g') /* the files are there */
			reader_process(f->dir, to[0], from[1]);
		_exit(4);
	}
	(void) close(to[0]);
	(void) close(from[1]);
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", KV_TABLE_CREATE, &f->t, NULL), 0);
	if (geteuid() != 0)
		assert_int_equal(chmod(path, 0440), 0);
	assert_int_equal(write(to[1], "g", 1), 1);
	assert_int_equal(ask(to[1], from[0], 'a'), 'n');
	put_one(f->kv, f->t, "a", "1");
	assert_int_equal(ask(to[1], from[0], 'a'), 'y');
	put_one(f->kv, f->t, "a", "2");
	put_one(f->kv, f->t, "b", "1");
	assert_int_equal(ask(to[1], from[0], 'a'), 'n');
	assert_int_equal(ask(to[1], from[0], 'b'), 'y');
	(void) close(to[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void) close(from[0]);
}

static void the_lock_file_is_writable_for_those_who_may_read(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[64];

	(void) snprintf(path, sizeof(path), "%s/lock.mdb", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	(void) snprintf(path, sizeof(path), "%s/data.mdb", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void a_reader_keeps_its_snapshot_while_others_write(void **state)
{
	struct fixture *f = *state;
	KV_TXN txn = { 0 };
	struct span v;

	put_one(f->kv, f->t, "a", "1");
	assert_int_equal(kv_txn_begin(f->kv, KV_READ, &txn, NULL), 0);
	put_one(f->kv, f->t, "a", "2");
	assert_int_equal(kv_get(&txn, f->t, SPAN_LIT("a"), &v, NULL), 0);
	assert_true(span_eq(v, SPAN_LIT("1")));
	kv_txn_abort(&txn);
	assert_true(has(f->kv, f->t, "a", "2"));
}

static void readers_beyond_the_slots_are_told_busy(void **state)
{
	struct kv_options few = writer;
	struct fixture *f = *state;
	struct kv_txn txn[3] = { 0 };

	few.readers_max = 2;
	assert_int_equal(kv_open(f->dir, &few, &f->kv, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kv_txn_begin(f->kv, KV_READ, &txn[i], NULL), i < 2 ? 0 : -POD_E_BUSY);
	kv_txn_abort(&txn[0]);
	assert_int_equal(kv_txn_begin(f->kv, KV_READ, &txn[2], NULL), 0);
	kv_txn_abort(&txn[1]);
	kv_txn_abort(&txn[2]);
}

struct reading {
	struct kv *kv;
	kv_table t;
	atomic_bool *stop;
	unsigned int torn;
};

/* The two values are written together: a snapshot that shows them apart is none. */
static void *read_pairs(void *arg)
{
	struct reading *r = arg;

	while (!atomic_load(r->stop)) {
		struct span a = SPAN_NONE, b = SPAN_NONE;
		KV_TXN txn = { 0 };

		if (kv_txn_begin(r->kv, KV_READ, &txn, NULL) < 0)
			r->torn++;
		else if (kv_get(&txn, r->t, SPAN_LIT("a"), &a, NULL) == 0)
			r->torn += kv_get(&txn, r->t, SPAN_LIT("b"), &b, NULL) != 0 || !span_eq(a, b);
	}
	return NULL;
}

static void threads_read_whole_snapshots_while_one_writes(void **state)
{
	/* room for every commit: a reader that is not scheduled keeps the pages of all that follow its
	 * snapshot */
	const struct kv_options roomy = { .map_bytes = 64 * MAP_BYTES, .flags = KV_CREATE };
	struct fixture *f = *state;
	atomic_bool stop = false;
	struct reading readings[3];
	pthread_t threads[3];

	assert_int_equal(kv_open(f->dir, &roomy, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", KV_TABLE_CREATE, &f->t, NULL), 0);
	for (int i = 0; i < 3; i++) {
		readings[i] = (struct reading){ f->kv, f->t, &stop, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, read_pairs, &readings[i]), 0);
	}
	for (uint32_t n = 0; n < 100; n++) {
		struct key v = { .len = 0 };
		KV_TXN txn = { 0 };

		key_u32(&v, n);
		assert_int_equal(kv_txn_begin(f->kv, KV_WRITE, &txn, NULL), 0);
		assert_int_equal(kv_put(&txn, f->t, SPAN_LIT("a"), key_span(&v), NULL), 0);
		assert_int_equal(kv_put(&txn, f->t, SPAN_LIT("b"), key_span(&v), NULL), 0);
		assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readings[i].torn, 0);
	}
}

/* The reader has reserved less address space than the writer then fills. */
static void small_map_process(const char *dir, int orders, int answers)
{
	const struct kv_options small = { .flags = KV_READONLY };
	struct kv *kv = NULL;
	kv_table t;
	char ok = 'y';

	if (next_order(orders) != 'g' || kv_open(dir, &small, &kv, NULL) < 0 ||
	    kv_table_open(kv, "t", 0, &t, NULL) < 0)
		_exit(1);
	if (write(answers, &ok, 1) != 1 || next_order(orders) != 'r')
		_exit(2);
	if (!has(kv, t, "last", "1"))
		_exit(3);
	(void) kv_close(kv);
	_exit(0);
}

static void a_reader_follows_a_map_that_was_enlarged(void **state)
{
	const struct kv_options larger = { .map_bytes = 4 * MAP_BYTES };
	struct fixture *f = *state;
	int to[2], from[2], status;
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		(void) close(to[1]);
		small_map_process(f->dir, to[0], from[1]);
	}
	assert_int_equal(kv_open(f->dir, &writer, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", KV_TABLE_CREATE, &f->t, NULL), 0);
	assert_int_equal(ask(to[1], from[0], 'g'), 'y');
	f->kv = kv_close(f->kv);
	assert_int_equal(kv_open(f->dir, &larger, &f->kv, NULL), 0);
	assert_int_equal(kv_table_open(f->kv, "t", 0, &f->t, NULL), 0);
	assert_true(fill(f) > MAP_BYTES / 3000);
	f->kv = kv_close(f->kv);
	assert_int_equal(kv_open(f->dir, &(struct kv_options){ .map_bytes = 8 * MAP_BYTES }, &f->kv, NULL),
	                 0);
	assert_int_equal(kv_table_open(f->kv, "t", 0, &f->t, NULL), 0);
	put_one(f->kv, f->t, "last", "1");
	assert_int_equal(write(to[1], "r", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		(void) close(to[i]);
		(void) close(from[i]);
	}
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_OPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OPEN(what_is_committed_is_there_and_what_is_aborted_is_not),
		TEST(opening_what_is_not_there_says_so),
		TEST(a_damaged_file_is_reported_as_damage),
		TEST_OPEN(a_nested_transaction_is_undone_alone),
		TEST_OPEN(cursors_walk_in_key_order_both_ways_and_delete),
		TEST_OPEN(a_reserved_value_and_appended_keys_are_stored),
		TEST_OPEN(a_full_map_refuses_and_loses_nothing),
		TEST_OPEN(a_nested_transaction_without_room_leaves_its_parent_whole),
		TEST_OPEN(keys_and_values_out_of_bounds_are_refused),
		cmocka_unit_test(numbers_in_keys_sort_as_numbers),
		TEST(another_process_sees_commits_without_reopening_and_needs_no_write_permission),
		TEST_OPEN(the_lock_file_is_writable_for_those_who_may_read),
		TEST_OPEN(a_reader_keeps_its_snapshot_while_others_write),
		TEST(readers_beyond_the_slots_are_told_busy),
		TEST(threads_read_whole_snapshots_while_one_writes),
		TEST(a_reader_follows_a_map_that_was_enlarged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
