/* The uids that SELECT is told, kept and brought up to date by the log, are those a walk finds, whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "store/index/ranges.h"
#include "store/index/uids_cache.h"
#include "tests/support/volume_fixture.h"

#define SEEN STORE_FLAG_SEEN

/* ---- lists of uids ---- */

static const char *show(struct arena *a, const struct uid_ranges *r)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < r->n; i++)
		buf_printf(&b, "%u:%u ", r->r[i].first, r->r[i].last);
	return arena_str(a, buf_span(&b));
}

static void what_is_gone_is_taken_out_of_a_list(void **state)
{
	static const struct {
		struct uid_range list[3], gone[3];
		size_t list_n, gone_n;
		const char *left;
	} cases[] = {
		{ { { 1, 9 } }, { { 0 } }, 1, 0, "1:9 " },
		{ { { 1, 9 } }, { { 1, 9 } }, 1, 1, "" },
		{ { { 1, 9 } }, { { 1, 1 }, { 5, 6 }, { 9, 20 } }, 1, 3, "2:4 7:8 " },
		{ { { 3, 4 }, { 6, 8 }, { 10, 12 } }, { { 1, 2 }, { 4, 10 } }, 3, 2, "3:3 11:12 " },
		{ { { 3, 4 }, { 6, 8 } }, { { 5, 5 }, { 9, UINT32_MAX } }, 2, 2, "3:4 6:8 " },
		{ { { 5, UINT32_MAX } }, { { 7, UINT32_MAX } }, 1, 1, "5:6 " },
		{ { { 0 } }, { { 1, 2 } }, 0, 1, "" },
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct uid_range list_r[3], gone_r[3];
		const struct uid_ranges list = { list_r, cases[i].list_n }, gone = { gone_r, cases[i].gone_n };
		struct ranges_builder left = { .a = a };

		memcpy(list_r, cases[i].list, sizeof(list_r));
		memcpy(gone_r, cases[i].gone, sizeof(gone_r));
		assert_int_equal(ranges_without(&left, &list, &gone), 0);
		assert_string_equal(show(a, &left.list), cases[i].left);
	}
}

/* ---- a mailbox large enough to be kept ---- */

static int copy_all(struct fixture *f, uint32_t mailbox)
{
	struct change c = fixture_change(f, CHANGE_COPY, "alice");
	struct uid_range all = { 1, UINT32_MAX };

	c.mailbox = mailbox;
	c.uids = (struct uid_ranges){ &all, 1 };
	c.u.copy.target = SPAN_LIT("INBOX");
	return fixture_run(f, &c);
}

static uint32_t make_large(struct fixture *f)
{
	uint32_t id;

	assert_int_equal(fixture_user_add(f, "alice", 0), 0);
	id = fixture_mailbox(f, "alice", "INBOX").id;
	assert_int_equal(fixture_append(f, "alice", "INBOX", "x\r\n", SEEN, NULL, NULL), 0);
	for (int n = 1; n < UIDS_CACHE_LEAST; n *= 2)
		assert_int_equal(copy_all(f, id), 0);
	return id;
}

struct walk {
	struct ranges_builder uids;
	uint32_t first_unseen;
};

static int add_row(void *arg, const struct volume_row *row)
{
	struct walk *w = arg;

	assert_int_equal(ranges_add(&w->uids, row->uid, row->uid), 0);
	if (!w->first_unseen && !(row->flags & SEEN))
		w->first_unseen = row->uid;
	return 0;
}

static void assert_known(struct fixture *f, uint32_t id)
{
	struct volume_opened o = fixture_open_mailbox(f, "alice", "INBOX", VOLUME_EXAMINE);
	struct uid_range all = { 1, UINT32_MAX };
	const struct uid_ranges uids = { &all, 1 };
	struct walk w = { .uids.a = f->a };

	assert_int_equal(volume_fetch(f->vol, SPAN_LIT("alice"), id, &uids, STORE_COL_FLAGS, 0, add_row, &w, &f->err), 0);
	assert_string_equal(show(f->a, &o.uids), show(f->a, &w.uids.list));
	assert_int_equal(o.first_unseen, w.first_unseen);
	assert_int_equal(o.mailbox.messages, ranges_count(&o.uids));
}

static int expunge(struct fixture *f, uint32_t id)
{
	struct change c = fixture_change(f, CHANGE_EXPUNGE, "alice");

	c.mailbox = id;
	return fixture_run(f, &c);
}

static void the_first_unseen_is_found_again_when_it_is_read(void **state)
{
	struct fixture *f = *state;
	uint32_t id = make_large(f);

	assert_known(f, id);
	assert_int_equal(fixture_flags(f, "alice", id, 100, 101, CHANGE_FLAGS_REMOVE, SEEN, NULL), 0);
	assert_known(f, id);
	assert_int_equal(fixture_flags(f, "alice", id, 50, 50, CHANGE_FLAGS_REMOVE, SEEN, NULL), 0);
	assert_known(f, id);
	assert_int_equal(fixture_flags(f, "alice", id, 50, 100, CHANGE_FLAGS_ADD, SEEN, NULL), 0);
	assert_known(f, id);
	assert_int_equal(fixture_flags(f, "alice", id, 101, 101, CHANGE_FLAGS_ADD, SEEN | STORE_FLAG_DELETED, NULL), 0);
	assert_known(f, id);
	assert_int_equal(fixture_append(f, "alice", "INBOX", "x\r\n", 0, NULL, NULL), 0);
	assert_int_equal(expunge(f, id), 0);
	assert_known(f, id);
	assert_int_equal(fixture_flags(f, "alice", id, 1, UINT32_MAX, CHANGE_FLAGS_ADD, STORE_FLAG_DELETED, NULL), 0);
	assert_known(f, id);
	assert_int_equal(expunge(f, id), 0);
	assert_known(f, id);
}

static void change_something(struct fixture *f, uint32_t id, uint32_t uidnext)
{
	uint32_t first = (uint32_t) random() % uidnext + 1, last = first + (uint32_t) random() % 40;

	switch (random() % 5) {
	case 0: assert_int_equal(fixture_append(f, "alice", "INBOX", "x\r\n", 0, NULL, NULL), 0); break;
	case 1: assert_int_equal(fixture_flags(f, "alice", id, first, last, CHANGE_FLAGS_REMOVE, SEEN, NULL), 0); break;
	case 2: assert_int_equal(fixture_flags(f, "alice", id, 1, last, CHANGE_FLAGS_ADD, SEEN, NULL), 0); break;
	case 3: assert_int_equal(fixture_flags(f, "alice", id, first, last, CHANGE_FLAGS_ADD, STORE_FLAG_DELETED, NULL), 0); break;
	default: assert_int_equal(expunge(f, id), 0); break;
	}
}

static void whatever_changes_the_uids_are_those_of_a_walk(void **state)
{
	struct fixture *f = *state;
	uint32_t id = make_large(f);

	srandom(20261126); /* the same each time */
	assert_known(f, id);
	for (int i = 0; i < 400; i++) {
		change_something(f, id, fixture_mailbox(f, "alice", "INBOX").uidnext);
		if (random() % 3 == 0) /* else several changes are made up for at once */
			assert_known(f, id);
	}
	assert_known(f, id);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_gone_is_taken_out_of_a_list),
		T(the_first_unseen_is_found_again_when_it_is_read),
		T(whatever_changes_the_uids_are_those_of_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
