/* What follows from what volumes say: the reply, and what the queue is left with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/conn/plan.h"

#define MAX 8

struct fixture {
	struct arena *a;
	struct smtp_mail mail;
	struct plan plan;
	enum plan_rest rests[MAX];
	struct smtp_status statuses[MAX];
	bool rest;
};

/* Recipients by what they stand for: "v1/alice v2/bob,remote" are two, the second of two targets. */
static void make(struct fixture *f, const char *text)
{
	struct span rest = span_of(text);

	*f = (struct fixture){ .a = arena_create(1 << 20) };
	f->mail.arena = f->a;
	f->mail.rcpts = arena_array(f->a, MAX, sizeof(*f->mail.rcpts));
	while (rest.p) {
		struct span targets = span_split(rest, ' ', &rest);
		struct directory_targets *t = arena_new(f->a, struct directory_targets);
		struct smtp_rcpt *rcpt = arena_new(f->a, struct smtp_rcpt);

		t->items = arena_array(f->a, MAX, sizeof(*t->items));
		while (targets.p) {
			struct span user, volume = span_split(span_split(targets, ',', &targets), '/', &user);
			struct directory_target *one = &t->items[t->n++];

			one->kind = user.p ? TARGET_MAILBOX : TARGET_REMOTE;
			one->address = arena_str(f->a, user.p ? user : volume);
			one->volume = user.p ? arena_str(f->a, volume) : NULL;
			one->user_id = user.p ? arena_str(f->a, user) : NULL;
		}
		rcpt->host = t;
		f->mail.rcpts[f->mail.n_rcpts++] = rcpt;
	}
	assert_int_equal(plan_make(&f->mail, &f->plan), 0);
}

/* The code each user's volume gives: of the number behind the name ("alice9" is -9), 0 without one. */
static int code_of(const char *user)
{
	const char *digits = strpbrk(user, "0123456789");

	return digits ? -atoi(digits) : 0;
}

static void deliver(struct fixture *f, bool lmtp)
{
	struct plan_volume v;
	size_t at = 0;
	int r = 0;

	while (plan_volume_next(&f->plan, &at, &v, &r)) {
		struct deliver_result results[MAX];

		assert_int_equal(r, 0);
		for (size_t i = 0; i < v.n_mailboxes; i++)
			results[i] = (struct deliver_result){ code_of(v.mailboxes[i].user_id), "" };
		plan_note(&f->plan, &v, results);
	}
	plan_settle(&f->plan, lmtp, f->statuses, lmtp ? f->mail.n_rcpts : 1, f->rests, &f->rest);
}

static void done(struct fixture *f)
{
	f->a = arena_free(f->a);
}

static char *rests_text(const struct fixture *f, char *buf)
{
	static const char letters[] = { [PLAN_NOTHING] = '-', [PLAN_QUEUE] = 'q', [PLAN_TELL_FAILED] = 'f', [PLAN_TELL_DELIVERED] = 'd' };

	for (size_t i = 0; i < f->plan.n; i++)
		buf[i] = letters[f->rests[i]];
	buf[f->plan.n] = '\0';
	return buf;
}

/* Numbers behind names: 3 LIMIT, 4 NOTFOUND and 8 QUOTA are refused, 10 NOSPACE is "not now", 11 UNAVAILABLE unknown. */
static void one_reply_speaks_for_a_whole_message(void **state)
{
	static const struct {
		const char *rcpts;
		int code;
		const char *rests; /* of the links, by volume and user, remote last */
	} cases[] = {
		{ "v1/alice", 250, "-" },
		{ "v1/alice v2/bob", 250, "--" },
		{ "v1/alice away@test", 250, "-q" },
		{ "v1/alice v1/bob8", 250, "-f" },
		{ "v1/alice8 v1/bob8", 452, "--" },
		{ "v1/alice v1/bob10", 250, "-q" },
		{ "v1/alice3 v1/bob10", 452, "--" }, /* "no" and "not now": its sender keeps it */
		{ "v1/alice4", 550, "-" },
		{ "v1/alice11 v1/bob4", 250, "qf" },
		{ "v1/alice11", 250, "q" },
		{ "v1/alice v1/alice", 250, "--" },
		{ "v1/alice11,v2/bob v1/alice11", 250, "q--" }, /* two ways to one mailbox wait once */
	};

	assert_int_equal(POD_E_QUOTA, 8);
	assert_int_equal(POD_E_NOTFOUND, 4);
	assert_int_equal(POD_E_NOSPACE, 10);
	assert_int_equal(POD_E_UNAVAILABLE, 11);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;
		char text[MAX + 1];

		make(&f, cases[i].rcpts);
		deliver(&f, false);
		if (f.statuses[0].code != cases[i].code || strcmp(rests_text(&f, text), cases[i].rests) != 0)
			fail_msg("%s: %d %s, expected %d %s", cases[i].rcpts, f.statuses[0].code, text, cases[i].code,
			         cases[i].rests);
		assert_int_equal(f.rest, strpbrk(cases[i].rests, "qfd") != NULL);
		done(&f);
	}
}

static void each_recipient_has_its_own_reply_over_lmtp(void **state)
{
	struct fixture f;
	char text[MAX + 1];

	make(&f, "v1/bob8 v1/alice v1/bob8,v1/carol v2/dan11");
	deliver(&f, true);
	assert_int_equal(f.statuses[0].code, 452);
	assert_int_equal(f.statuses[1].code, 250);
	assert_int_equal(f.statuses[2].code, 250);
	assert_int_equal(f.statuses[3].code, 250);
	/* alice, bob for the first, bob for the third, carol, dan: the list's sender hears of bob */
	assert_string_equal(rests_text(&f, text), "--f-q");
	done(&f);
}

static void a_mailbox_is_delivered_to_once(void **state)
{
	struct fixture f;
	struct plan_volume v;
	size_t at = 0;
	int r = 0;

	make(&f, "v2/bob v1/alice v1/alice,v2/bob v1/alice");
	assert_true(plan_volume_next(&f.plan, &at, &v, &r));
	assert_string_equal(v.volume, "v1");
	assert_int_equal(v.n, 3);
	assert_int_equal(v.n_mailboxes, 1);
	assert_true(plan_volume_next(&f.plan, &at, &v, &r));
	assert_string_equal(v.volume, "v2");
	assert_int_equal(v.n_mailboxes, 1);
	assert_false(plan_volume_next(&f.plan, &at, &v, &r));
	done(&f);
}

static void a_volume_that_says_nothing_is_tried_again(void **state)
{
	struct fixture f;
	struct plan_volume v;
	size_t at = 0;
	int r = 0;

	make(&f, "v1/alice");
	assert_true(plan_volume_next(&f.plan, &at, &v, &r));
	plan_note(&f.plan, &v, NULL);
	plan_settle(&f.plan, false, f.statuses, 1, f.rests, &f.rest);
	assert_int_equal(f.statuses[0].code, 250);
	assert_int_equal(f.rests[0], PLAN_QUEUE);
	done(&f);
}

static void who_asked_for_it_hears_of_success(void **state)
{
	struct fixture f;

	make(&f, "v1/alice v1/bob");
	f.mail.rcpts[1]->notify = SMTP_NOTIFY_SUCCESS;
	deliver(&f, false);
	assert_int_equal(f.rests[0], PLAN_NOTHING);
	assert_int_equal(f.rests[1], PLAN_TELL_DELIVERED);
	assert_true(f.rest);
	done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_reply_speaks_for_a_whole_message),
		cmocka_unit_test(each_recipient_has_its_own_reply_over_lmtp),
		cmocka_unit_test(a_mailbox_is_delivered_to_once),
		cmocka_unit_test(a_volume_that_says_nothing_is_tried_again),
		cmocka_unit_test(who_asked_for_it_hears_of_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
