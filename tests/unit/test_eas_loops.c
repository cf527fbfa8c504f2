/* imapd/eas/loops: a device that sends the same request again and again is put off, and nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imapd/eas/loops.h"

#define MAX    3
#define WINDOW 60000

static struct loops loops;

static uint32_t seen(uint64_t device, const char *request, uint64_t now_ms)
{
	return loops_seen(&loops, device, loops_print(0, span_of(request)), MAX, WINDOW, now_ms);
}

static int begin(void **state)
{
	loops = (struct loops){ 0 };
	return 0;
}

static void the_same_request_is_served_so_often(void **state)
{
	for (uint64_t i = 0; i < MAX; i++)
		assert_int_equal(seen(1, "Sync 5", 1000 + i), 0);
	assert_int_equal(seen(1, "Sync 5", 2000), 60);
	assert_int_equal(seen(1, "Sync 5", 60000), 2);
	assert_int_equal(seen(1, "Sync 5", 61000), 0); /* the window is over */
}

static void others_are_not_touched(void **state)
{
	for (uint64_t i = 0; i < MAX + 1; i++)
		(void) seen(1, "Sync 5", 1000);
	assert_int_equal(seen(1, "Sync 6", 1000), 0);
	assert_int_equal(seen(2, "Sync 5", 1000), 0);
	assert_int_not_equal(seen(1, "Sync 5", 1000), 0);
}

static void a_loop_of_several_steps_is_one(void **state)
{
	static const char *const steps[] = { "Ping", "Sync 5", "FolderSync 2" };

	for (uint64_t i = 0; i < MAX * 3; i++)
		assert_int_equal(seen(1, steps[i % 3], 1000 + i), 0);
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(seen(1, steps[i], 2000), 0);
}

static void a_device_that_goes_on_is_never_in_a_loop(void **state)
{
	char text[] = "Sync 0";

	for (int i = 0; i < 10 * MAX; i++) {
		text[5] = (char) ('0' + i);
		assert_int_equal(seen(1, text, 1000), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_same_request_is_served_so_often, begin),
		cmocka_unit_test_setup(others_are_not_touched, begin),
		cmocka_unit_test_setup(a_loop_of_several_steps_is_one, begin),
		cmocka_unit_test_setup(a_device_that_goes_on_is_never_in_a_loop, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
