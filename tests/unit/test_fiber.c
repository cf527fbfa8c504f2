/* lib/base/fiber: functions that stop in their middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fiber.h"

struct steps {
	struct buf said;
	struct fiber *self;
	int rounds;
};

static void say_and_stop(void *arg)
{
	struct steps *s = arg;
	char on_stack[4096];

	s->self = fiber_self();
	for (int i = 0; i < s->rounds; i++) {
		memset(on_stack, 'a' + i, sizeof(on_stack));
		buf_printf(&s->said, "%d", i);
		fiber_suspend();
		buf_printf(&s->said, "%c", on_stack[sizeof(on_stack) - 1]);
	}
}

static void a_fiber_goes_on_where_it_stopped(void **state)
{
	struct steps s = { .rounds = 3 };

	assert_int_equal(fiber_start(say_and_stop, &s), 0);
	for (int i = 0; i < 3; i++) {
		assert_null(fiber_self());
		assert_int_equal(fiber_count(), 1);
		buf_add_byte(&s.said, '|');
		fiber_resume(s.self);
	}
	assert_string_equal(buf_str(&s.said), "0|a1|b2|c");
	assert_int_equal(fiber_count(), 0);
	buf_done(&s.said);
}

static void one_that_never_stops_is_gone_when_it_was_started(void **state)
{
	struct steps s = { .rounds = 0 };

	assert_int_equal(fiber_start(say_and_stop, &s), 0);
	assert_non_null(s.self);
	assert_int_equal(fiber_count(), 0);
}

static void resume_other(void *arg)
{
	struct steps *other = arg;
	struct fiber *self = fiber_self();

	fiber_resume(other->self);
	assert_ptr_equal(fiber_self(), self);
	buf_add_byte(&other->said, '!');
}

static void a_fiber_may_resume_another(void **state)
{
	struct steps s = { .rounds = 1 };

	assert_int_equal(fiber_start(say_and_stop, &s), 0);
	assert_int_equal(fiber_start(resume_other, &s), 0);
	assert_string_equal(buf_str(&s.said), "0a!");
	buf_done(&s.said);
}

static void many_live_side_by_side(void **state)
{
	enum { MANY = 200 };
	static struct steps s[MANY];

	for (int i = 0; i < MANY; i++) {
		s[i].rounds = 2;
		assert_int_equal(fiber_start(say_and_stop, &s[i]), 0);
	}
	assert_int_equal(fiber_count(), MANY);
	for (int round = 0; round < 2; round++)
		for (int i = MANY - 1; i >= 0; i--)
			fiber_resume(s[i].self);
	for (int i = 0; i < MANY; i++) {
		assert_string_equal(buf_str(&s[i].said), "0a1b");
		buf_done(&s[i].said);
	}
	assert_int_equal(fiber_count(), 0);
	fiber_release_stacks();
}

static int deep(int n)
{
	volatile char room[1024];

	room[0] = (char) n;
	return n == 0 ? room[0] : deep(n - 1) + room[0];
}

static void go_too_deep(void *arg)
{
	*(int *) arg = deep(1024);
}

/* In a process of its own, which must die rather than write over its neighbour's stack. */
static void one_that_needs_too_much_stack_faults(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int result;

		(void) signal(SIGSEGV, SIG_DFL);
		(void) close(STDERR_FILENO);
		(void) fiber_start(go_too_deep, &result);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fiber_goes_on_where_it_stopped),
		cmocka_unit_test(one_that_never_stops_is_gone_when_it_was_started),
		cmocka_unit_test(a_fiber_may_resume_another),
		cmocka_unit_test(many_live_side_by_side),
		cmocka_unit_test(one_that_needs_too_much_stack_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
