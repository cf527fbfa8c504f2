/* Devices of one user that log in at the same time: one of them asks the store, the others wait for what it
 * is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/fiber.h"
#include "imapd/account/internal.h"

#define NOT_YET 99

static struct accounts accounts;

struct device {
	const char *user, *password;
	struct fiber *asks; /* NULL: it asks nobody, or has been answered */
	int told;           /* by the store */
	int result;
};

static void log_in(void *arg)
{
	struct device *d = arg;
	struct proof p = proof_make(&accounts, d->user, span_of(d->password));
	struct question q;

	if (question_join(&accounts, &p, &d->result))
		return;
	question_begin(&accounts, &q, &p);
	d->asks = fiber_self();
	fiber_suspend();
	d->asks = NULL;
	d->result = d->told;
	question_end(&q, d->told);
}

static void start(struct device *d, const char *user, const char *password)
{
	*d = (struct device){ .user = user, .password = password, .result = NOT_YET };
	assert_int_equal(fiber_start(log_in, d), 0);
}

static void one_asks_for_all_who_say_the_same(void **state)
{
	struct device d[5];

	start(&d[0], "ann", "right");
	start(&d[1], "ann", "right");
	start(&d[2], "ann", "wrong");
	start(&d[3], "bob", "right");
	start(&d[4], "ann", "right");
	assert_true(d[0].asks && d[2].asks && d[3].asks);
	assert_true(!d[1].asks && !d[4].asks && d[1].result == NOT_YET);
	d[2].told = -POD_E_AUTH;
	fiber_resume(d[2].asks);
	assert_true(d[1].result == NOT_YET && d[2].result == -POD_E_AUTH);
	fiber_resume(d[0].asks);
	assert_true(d[0].result == 0 && d[1].result == 0 && d[4].result == 0);
	d[3].told = -POD_E_UNAVAILABLE;
	fiber_resume(d[3].asks);
	assert_int_equal(fiber_count(), 0);
}

static void what_was_told_holds_for_nobody_who_comes_later(void **state)
{
	struct device first, second;

	start(&first, "ann", "x");
	first.told = -POD_E_AUTH;
	fiber_resume(first.asks);
	start(&second, "ann", "x");
	assert_non_null(second.asks);
	fiber_resume(second.asks);
	assert_int_equal(second.result, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_asks_for_all_who_say_the_same),
		cmocka_unit_test(what_was_told_holds_for_nobody_who_comes_later),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	fiber_release_stacks();
	return r;
}
