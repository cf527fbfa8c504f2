#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/volume_stack.h"

/* Two sites, the first is the primary under token 7. */
static const struct stack_limits limits = { .failover_after_ms = 10000, .step_ms = 30000, .serve_ms = 60000 };

static const char *action_text(const struct stack_action *a, char *buf, size_t size)
{
	static const char *const names[] = {
		[STACK_PROMOTE] = "promote", [STACK_DEMOTE] = "demote",     [STACK_FENCE] = "fence",
		[STACK_UNFENCE] = "unfence", [STACK_MOUNT] = "mount",       [STACK_UNMOUNT] = "unmount",
		[STACK_MAKE] = "make",       [STACK_STORE_START] = "store", [STACK_STORE_STOP] = "stop store",
		[STACK_WRITE] = "write",     [STACK_BEGAN] = "began",       [STACK_DONE] = "done",
	};

	if (a->act == STACK_DONE)
		(void) snprintf(buf, size, "done %s%s; ", a->r < 0 ? err_code_name(a->r) : "well",
		                a->text[0] ? ": ..." : "");
	else if (a->act == STACK_STORE_STOP)
		(void) snprintf(buf, size, "stop store%s; ", a->forced ? "!" : "");
	else if (a->act == STACK_STORE_START || a->act == STACK_MAKE)
		(void) snprintf(buf, size, "%s; ", names[a->act]);
	else if (a->act == STACK_PROMOTE || a->act == STACK_WRITE)
		(void) snprintf(buf, size, "%s %zu/%d%s; ", names[a->act], a->replica, (int) a->token,
		                a->forced ? "!" : "");
	else
		(void) snprintf(buf, size, "%s %zu%s; ", names[a->act], a->replica, a->forced ? "!" : "");
	return buf;
}

/* What is to be done now, as one line. */
static const char *todo(struct volume_stack *s)
{
	static char out[512];
	struct stack_action a;
	char one[160];
	size_t n = 0;

	out[0] = '\0';
	while (stack_next(s, &a))
		n += (size_t) snprintf(out + n, sizeof(out) - n, "%s", action_text(&a, one, sizeof(one)));
	return out;
}

#define TODO(s, text) assert_string_equal(todo(s), text)

static void begin(struct volume_stack *s, bool made)
{
	stack_init(s, &limits, 2, 0, 7, made, 0);
	stack_set_in_sync(s, 0, true, 0);
	TODO(s, "");
}

/* Up and served at site 0, the other one in sync. */
static void bring_up(struct volume_stack *s)
{
	begin(s, true);
	stack_on_talks(s, 0, false, true, 10);
	TODO(s, "promote 0/7; ");
	stack_on_talks(s, 1, false, true, 10);
	stack_set_in_sync(s, 1, true, 10);
	TODO(s, "");
	stack_on_promoted(s, 0, 0, "", 20);
	TODO(s, "mount 0; ");
	stack_on_mount(s, true, 30);
	TODO(s, "store; ");
	assert_false(stack_serves(s));
	stack_on_store(s, true, 40);
	TODO(s, "");
	assert_true(stack_serves(s));
	assert_true(stack_deadline(s) == UINT64_MAX);
}

static void a_new_volume_gets_its_store_made_once(void **state)
{
	struct volume_stack s;

	begin(&s, false);
	stack_on_talks(&s, 0, false, true, 10);
	stack_on_promoted(&s, 0, 0, "", 20);
	stack_on_mount(&s, true, 30);
	TODO(&s, "promote 0/7; mount 0; make; ");
	stack_on_made(&s, -POD_E_IO, 40); /* again, but not at once */
	TODO(&s, "");
	assert_true(stack_deadline(&s) > 40 && stack_deadline(&s) < 1100);
	stack_on_time(&s, stack_deadline(&s));
	TODO(&s, "make; ");
	stack_on_made(&s, 0, 2000);
	TODO(&s, "store; ");
}

static void a_primary_that_dies_under_the_mount_is_promoted_again_and_no_more(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_gone(&s, 0, 1000);
	TODO(&s, "");
	assert_false(stack_serves(&s));
	stack_on_talks(&s, 0, false, true, 1100);
	TODO(&s, "promote 0/7; ");
	stack_on_promoted(&s, 0, 0, "", 1120);
	TODO(&s, "");
	assert_true(stack_serves(&s));
}

static void a_refused_promotion_is_tried_again_in_a_while(void **state)
{
	struct volume_stack s;

	begin(&s, true);
	stack_on_talks(&s, 0, false, true, 10);
	TODO(&s, "promote 0/7; ");
	stack_on_promoted(&s, 0, -POD_E_IO, "disk", 20);
	TODO(&s, "");
	stack_on_time(&s, stack_deadline(&s) - 1);
	TODO(&s, "");
	stack_on_time(&s, stack_deadline(&s));
	TODO(&s, "promote 0/7; ");
	assert_true(stack_deadline(&s) == UINT64_MAX);
}

static void a_mount_that_dies_takes_the_store_with_it_and_comes_back(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_mount(&s, false, 1000);
	TODO(&s, "stop store!; ");
	stack_on_store(&s, false, 1010);
	TODO(&s, "mount 0; ");
	stack_on_mount(&s, true, 1020);
	TODO(&s, "store; ");
}

static void whoever_says_primary_and_is_not_is_demoted(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_gone(&s, 1, 1000);
	stack_on_talks(&s, 1, true, true, 1100);
	TODO(&s, "demote 1; ");
	stack_on_demoted(&s, 1, 0, "", 1110);
	TODO(&s, "");
}

static void a_switchover_hands_over_in_order_under_the_next_token(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	TODO(&s, "stop store; ");
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), -POD_E_BUSY);
	stack_on_store(&s, false, 1100);
	TODO(&s, "unmount 0; ");
	stack_on_mount(&s, false, 1200);
	TODO(&s, "demote 0; ");
	stack_on_state(&s, 0, false, true, false, 1250); /* a status in between is no answer */
	TODO(&s, "");
	stack_on_demoted(&s, 0, 0, "", 1300);
	TODO(&s, "write 1/8; ");
	stack_on_written(&s, 0, "", 1400);
	TODO(&s, "promote 1/8; ");
	stack_on_promoted(&s, 1, 0, "", 1500);
	TODO(&s, "mount 1; ");
	stack_on_mount(&s, true, 1600);
	TODO(&s, "store; ");
	stack_on_store(&s, true, 1700);
	TODO(&s, "done well; ");
	assert_true(stack_serves(&s));
	assert_true(s.replicas[0].in_sync);                       /* it has everything up to here */
	assert_int_equal(stack_switchover(&s, 0, 2000, NULL), 0); /* and back */
	TODO(&s, "stop store; ");
}

static void a_switchover_that_fails_before_the_entry_leaves_all_as_it_was(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1200);
	TODO(&s, "stop store; unmount 0; demote 0; ");
	stack_on_demoted(&s, 0, -POD_E_TIMEOUT, "site2 does not answer", 1300);
	TODO(&s, "done TIMEOUT: ...; mount 0; "); /* it has not stopped being primary */
	stack_on_mount(&s, true, 1400);
	stack_on_store(&s, true, 1500);
	TODO(&s, "store; ");
	assert_int_equal(s.token, 7);
	assert_true(stack_serves(&s));
}

static void a_switchover_does_not_go_to_one_that_was_struck_on_the_way(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1200);
	TODO(&s, "stop store; unmount 0; demote 0; ");
	stack_set_in_sync(&s, 1, false, 1250);
	stack_on_demoted(&s, 0, 0, "", 1300);
	TODO(&s, "done STALE: ...; promote 0/7; ");
}

static void an_entry_that_fails_makes_the_old_primary_primary_again(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1200);
	stack_on_demoted(&s, 0, 0, "", 1300);
	TODO(&s, "stop store; unmount 0; demote 0; write 1/8; ");
	stack_on_written(&s, -POD_E_NOSPACE, "no space", 1400);
	TODO(&s, "done NOSPACE: ...; promote 0/7; ");
}

static void a_switchover_ends_when_a_replica_goes_away_or_takes_too_long(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	stack_on_gone(&s, 1, 1100);
	TODO(&s, "stop store; done UNAVAILABLE: ...; ");
	stack_on_store(&s, false, 1200);
	TODO(&s, "store; ");
	stack_on_store(&s, true, 1300);
	stack_on_talks(&s, 1, false, true, 1400);
	assert_int_equal(stack_switchover(&s, 1, 2000, NULL), 0);
	TODO(&s, "stop store; ");
	assert_true(stack_deadline(&s) == 2000 + limits.step_ms);
	stack_on_time(&s, 2000 + limits.step_ms);
	TODO(&s, "done TIMEOUT: ...; ");
	stack_on_store(&s, false, 40000);
	TODO(&s, "store; ");
}

static void a_switchover_is_refused_where_something_would_be_lost(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_set_in_sync(&s, 1, false, 100);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), -POD_E_STALE);
	stack_set_in_sync(&s, 1, true, 100);
	stack_on_state(&s, 1, false, false, false, 100); /* resync */
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), -POD_E_STALE);
	stack_on_state(&s, 1, false, true, true, 100); /* broken */
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), -POD_E_UNAVAILABLE);
	stack_on_state(&s, 1, false, true, false, 100);
	assert_int_equal(stack_switchover(&s, 0, 1000, NULL), -POD_E_EXISTS);
	stack_on_gone(&s, 0, 1000);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), -POD_E_UNAVAILABLE);
	TODO(&s, "");
}

static void a_failover_fences_first_and_lets_the_old_primary_run_only_when_it_is_entered(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_failover(&s, 1, false, 1000, NULL), 0);
	TODO(&s, "fence 0!; stop store!; unmount 0!; ");
	stack_on_talks(&s, 0, true, true, 1010); /* its last words */
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1150);
	TODO(&s, "");
	stack_on_fenced(&s, 0, 1200);
	TODO(&s, "write 1/8!; ");
	stack_on_written(&s, 0, "", 1300);
	TODO(&s, "unfence 0; promote 1/8; ");
	assert_false(s.replicas[0].in_sync);
	stack_on_promoted(&s, 1, 0, "", 1400);
	stack_on_mount(&s, true, 1500);
	stack_on_store(&s, true, 1600);
	TODO(&s, "mount 1; store; done well; ");
	stack_on_talks(&s, 0, false, true, 1700); /* back, as secondary */
	TODO(&s, "");
}

static void a_failover_that_cannot_be_entered_ends_the_fence(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_failover(&s, 1, true, 1000, NULL), 0);
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1150);
	stack_on_fenced(&s, 0, 1200);
	TODO(&s, "fence 0!; stop store!; unmount 0!; write 1/8!; ");
	stack_on_written(&s, -POD_E_IO, "no", 1300);
	TODO(&s, "done IO: ...; unfence 0; ");
	stack_on_talks(&s, 0, false, true, 1400);
	TODO(&s, "promote 0/7; ");
}

static void a_forced_failover_promotes_what_is_not_consistent(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_state(&s, 1, false, false, false, 100);
	assert_int_equal(stack_failover(&s, 1, true, 1000, NULL), 0);
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1150);
	stack_on_fenced(&s, 0, 1200);
	(void) todo(&s);
	stack_on_written(&s, 0, "", 1300);
	TODO(&s, "unfence 0; promote 1/8!; ");
	stack_on_promoted(&s, 1, 0, "", 1400);
	stack_on_gone(&s, 1, 1500);
	stack_on_talks(&s, 1, false, true, 1600); /* forced once, not for ever */
	TODO(&s, "mount 1; promote 1/8; ");
}

static void a_primary_that_stays_dead_is_replaced_by_one_in_sync_without_an_order(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_gone(&s, 0, 1000);
	assert_true(stack_deadline(&s) == 11000);
	stack_on_time(&s, 10999);
	TODO(&s, "");
	stack_on_time(&s, 11000);
	TODO(&s, "began 1; fence 0!; stop store!; unmount 0!; ");
	assert_true(s.automatic);
}

static void a_primary_whose_disk_is_broken_is_as_good_as_dead(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_on_state(&s, 0, true, true, true, 1000);
	assert_true(stack_deadline(&s) == 11000);
	stack_on_state(&s, 0, true, true, false, 2000);
	assert_true(stack_deadline(&s) == UINT64_MAX);
}

static void nobody_takes_over_by_himself_who_may_lack_something(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	stack_set_in_sync(&s, 1, false, 500);
	stack_on_gone(&s, 0, 1000);
	assert_true(stack_deadline(&s) == UINT64_MAX);
	stack_on_time(&s, 100000);
	TODO(&s, "");
	stack_set_in_sync(&s, 1, true, 100001); /* he never did: the list was late */
	TODO(&s, "began 1; fence 0!; stop store!; unmount 0!; ");
}

static void nothing_begins_while_the_pod_stops(void **state)
{
	struct volume_stack s;

	bring_up(&s);
	assert_int_equal(stack_switchover(&s, 1, 1000, NULL), 0);
	stack_stop(&s, 1001);
	TODO(&s, "stop store; done CANCELLED: ...; ");
	stack_on_store(&s, false, 1100);
	stack_on_mount(&s, false, 1200);
	stack_on_gone(&s, 0, 1300);
	stack_on_time(&s, 100000);
	TODO(&s, "");
	assert_int_equal(stack_failover(&s, 1, true, 100000, NULL), -POD_E_UNAVAILABLE);
	assert_true(stack_deadline(&s) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_volume_gets_its_store_made_once),
		cmocka_unit_test(a_primary_that_dies_under_the_mount_is_promoted_again_and_no_more),
		cmocka_unit_test(a_refused_promotion_is_tried_again_in_a_while),
		cmocka_unit_test(a_mount_that_dies_takes_the_store_with_it_and_comes_back),
		cmocka_unit_test(whoever_says_primary_and_is_not_is_demoted),
		cmocka_unit_test(a_switchover_hands_over_in_order_under_the_next_token),
		cmocka_unit_test(a_switchover_that_fails_before_the_entry_leaves_all_as_it_was),
		cmocka_unit_test(a_switchover_does_not_go_to_one_that_was_struck_on_the_way),
		cmocka_unit_test(an_entry_that_fails_makes_the_old_primary_primary_again),
		cmocka_unit_test(a_switchover_ends_when_a_replica_goes_away_or_takes_too_long),
		cmocka_unit_test(a_switchover_is_refused_where_something_would_be_lost),
		cmocka_unit_test(
			a_failover_fences_first_and_lets_the_old_primary_run_only_when_it_is_entered),
		cmocka_unit_test(a_failover_that_cannot_be_entered_ends_the_fence),
		cmocka_unit_test(a_forced_failover_promotes_what_is_not_consistent),
		cmocka_unit_test(a_primary_that_stays_dead_is_replaced_by_one_in_sync_without_an_order),
		cmocka_unit_test(a_primary_whose_disk_is_broken_is_as_good_as_dead),
		cmocka_unit_test(nobody_takes_over_by_himself_who_may_lack_something),
		cmocka_unit_test(nothing_begins_while_the_pod_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
