#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/supervise.h"

static const struct supervise_times times = {
	.drain_ms = 5000,
	.stable_ms = 10000,
	.backoff_first_ms = 100,
	.backoff_max_ms = 1000,
};

/* A pod of three: mta, imapd, one store; all spawned at time 0 with the pids 100, 101, 102. */
struct pod {
	struct supervisor s;
	pid_t next_pid;
};

/* Carries out spawns as the room would; returns the other actions as text: "TERM mta; TERM imapd". */
static const char *carry_out(struct pod *p, uint64_t now)
{
	static char out[512];
	struct supervise_action a;
	size_t n = 0;

	out[0] = '\0';
	while (supervise_next(&p->s, &a)) {
		const char *name = p->s.children[a.child].name;

		if (a.act == SUPERVISE_SPAWN) {
			n += (size_t) snprintf(out + n, sizeof(out) - n, "spawn %s; ", name);
			supervise_on_spawned(&p->s, a.child, p->next_pid++, now);
		} else if (a.act == SUPERVISE_SIGNAL) {
			n += (size_t) snprintf(out + n, sizeof(out) - n, "%s %s; ", sigabbrev_np(a.signal),
			                       name);
		} else {
			n += (size_t) snprintf(out + n, sizeof(out) - n, "all stopped; ");
		}
	}
	return out;
}

static void pod_start(struct pod *p)
{
	static const struct {
		const char *name;
		enum child_rank rank;
	} who[] = { { "mta", CHILD_FRONT }, { "imapd", CHILD_FRONT }, { "stored:vol01", CHILD_STORE } };
	size_t child;

	p->next_pid = 100;
	assert_int_equal(supervisor_init(&p->s, &times, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
		assert_int_equal(supervise_add(&p->s, who[i].name, who[i].rank, CHILD_KEPT, &child, NULL), 0);
		supervise_start(&p->s, child, 0);
	}
	assert_string_equal(carry_out(p, 0), "spawn mta; spawn imapd; spawn stored:vol01; ");
	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		supervise_on_ready(&p->s, i, 10);
	assert_true(supervise_all_ready(&p->s));
}

static void a_child_that_dies_is_started_again_at_once(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 101, 9, 20000);
	assert_string_equal(carry_out(&p, 20000), "spawn imapd; ");
	assert_int_equal(p.s.children[1].state, CHILD_STARTING);
	assert_int_equal(p.s.children[1].restarts, 1);
	assert_int_equal(p.s.children[1].last_status, 9);
	assert_false(supervise_all_ready(&p.s));
	supervisor_done(&p.s);
}

static void a_child_that_keeps_dying_waits_longer_each_time_up_to_a_limit(void **state)
{
	static const uint64_t delays[] = { 0, 100, 200, 400, 800, 1000, 1000 };
	struct pod p;
	uint64_t now = 20000;

	pod_start(&p);
	for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
		supervise_on_exit(&p.s, p.s.children[0].pid, 256, now);
		if (delays[i] > 0) {
			assert_string_equal(carry_out(&p, now), "");
			assert_int_equal(p.s.children[0].state, CHILD_BACKOFF);
			assert_int_equal(supervise_deadline(&p.s), now + delays[i]);
			supervise_on_time(&p.s, now + delays[i] - 1);
			assert_string_equal(carry_out(&p, now), "");
			now += delays[i];
			supervise_on_time(&p.s, now);
		}
		assert_string_equal(carry_out(&p, now), "spawn mta; ");
	}
	supervisor_done(&p.s);
}

static void a_child_that_ran_well_is_forgiven_its_earlier_deaths(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 100, 0, 100);
	(void) carry_out(&p, 100);
	supervise_on_exit(&p.s, p.s.children[0].pid, 0, 200);
	supervise_on_time(&p.s, 300);
	assert_string_equal(carry_out(&p, 300), "spawn mta; ");
	supervise_on_exit(&p.s, p.s.children[0].pid, 0, 300 + times.stable_ms);
	assert_string_equal(carry_out(&p, 0), "spawn mta; ");
	supervisor_done(&p.s);
}

static void a_fork_that_fails_is_tried_again_later_not_in_a_loop(void **state)
{
	struct pod p;
	struct supervise_action a;

	pod_start(&p);
	supervise_on_exit(&p.s, 100, 0, 50000);
	assert_true(supervise_next(&p.s, &a));
	supervise_on_spawn_failed(&p.s, 0, 50000);
	assert_false(supervise_next(&p.s, &a));
	assert_int_equal(p.s.children[0].state, CHILD_BACKOFF);
	assert_true(supervise_deadline(&p.s) > 50000);
	supervisor_done(&p.s);
}

static void front_ends_stop_before_the_stores(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_stop(&p.s, 1000);
	assert_string_equal(carry_out(&p, 1000), "TERM mta; TERM imapd; ");
	supervise_on_exit(&p.s, 100, 0, 1100);
	assert_string_equal(carry_out(&p, 1100), "");
	supervise_on_exit(&p.s, 101, 0, 1200);
	assert_string_equal(carry_out(&p, 1200), "TERM stored:vol01; ");
	supervise_on_exit(&p.s, 102, 0, 1300);
	assert_string_equal(carry_out(&p, 1300), "all stopped; ");
	supervisor_done(&p.s);
}

static void one_that_does_not_stop_in_time_is_killed(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_stop(&p.s, 1000);
	(void) carry_out(&p, 1000);
	supervise_on_exit(&p.s, 101, 0, 1100);
	assert_int_equal(supervise_deadline(&p.s), 1000 + times.drain_ms);
	supervise_on_time(&p.s, 1000 + times.drain_ms);
	assert_string_equal(carry_out(&p, 6000), "KILL mta; ");
	supervise_on_time(&p.s, 7000);
	assert_string_equal(carry_out(&p, 7000), "");
	supervise_on_exit(&p.s, 100, 9, 7001);
	assert_string_equal(carry_out(&p, 7001), "TERM stored:vol01; ");
	supervisor_done(&p.s);
}

static void nothing_is_started_while_stopping(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 102, 9, 100);
	(void) carry_out(&p, 100);
	supervise_on_exit(&p.s, p.s.children[2].pid, 9, 101); /* the store now waits in back-off */
	assert_int_equal(p.s.children[2].state, CHILD_BACKOFF);
	supervise_stop(&p.s, 150);
	assert_string_equal(carry_out(&p, 150), "TERM mta; TERM imapd; ");
	supervise_on_time(&p.s, 100000);
	assert_string_equal(carry_out(&p, 100000), "KILL mta; KILL imapd; ");
	supervise_start(&p.s, 2, 100000);
	assert_string_equal(carry_out(&p, 100000), "");
	supervise_on_exit(&p.s, 100, 9, 100001);
	supervise_on_exit(&p.s, 101, 9, 100001);
	assert_string_equal(carry_out(&p, 100001), "all stopped; ");
	supervisor_done(&p.s);
}

static void a_reload_reaches_a_starting_child_only_once_it_is_ready(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 100, 9, 20000);
	(void) carry_out(&p, 20000);
	supervise_reload(&p.s);
	assert_string_equal(carry_out(&p, 20001), "HUP imapd; HUP stored:vol01; ");
	supervise_on_ready(&p.s, 0, 20002);
	assert_string_equal(carry_out(&p, 20002), "HUP mta; ");
	supervisor_done(&p.s);
}

static void late_and_foreign_events_change_nothing(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 4711, 0, 100);
	supervise_on_ready(&p.s, 0, 100);
	supervise_start(&p.s, 0, 100);
	assert_string_equal(carry_out(&p, 100), "");
	assert_true(supervise_all_ready(&p.s));
	supervisor_done(&p.s);
}

static void a_name_is_supervised_once_and_the_table_has_a_limit(void **state)
{
	struct supervisor s;
	char name[16];
	size_t child;

	assert_int_equal(supervisor_init(&s, &times, NULL), 0);
	for (size_t i = 0; i < SUPERVISE_CHILDREN_MAX; i++) {
		(void) snprintf(name, sizeof(name), "c%zu", i);
		assert_int_equal(supervise_add(&s, name, CHILD_STORE, CHILD_KEPT, &child, NULL), 0);
	}
	assert_int_equal(supervise_add(&s, "c1", CHILD_STORE, CHILD_KEPT, &child, NULL), -POD_E_EXISTS);
	assert_int_equal(supervise_add(&s, "one-more", CHILD_STORE, CHILD_KEPT, &child, NULL), -POD_E_LIMIT);
	supervisor_done(&s);
}

/* What a replicated volume adds: a device, and a mount that is started on call. */
static size_t add(struct pod *p, const char *name, enum child_rank rank, enum child_care care)
{
	size_t child;

	assert_int_equal(supervise_add(&p->s, name, rank, care, &child, NULL), 0);
	return child;
}

static void a_store_stops_before_its_mount_and_that_before_the_device(void **state)
{
	struct pod p;
	size_t mount, device;

	pod_start(&p);
	device = add(&p, "replicator:vol01", CHILD_DEVICE, CHILD_KEPT);
	mount = add(&p, "attach:vol01", CHILD_MOUNT, CHILD_ON_CALL);
	supervise_start(&p.s, device, 100);
	supervise_start(&p.s, mount, 100);
	assert_string_equal(carry_out(&p, 100), "spawn replicator:vol01; spawn attach:vol01; ");
	supervise_stop(&p.s, 1000);
	(void) carry_out(&p, 1000);
	supervise_on_exit(&p.s, 100, 0, 1100);
	supervise_on_exit(&p.s, 101, 0, 1100);
	assert_string_equal(carry_out(&p, 1100), "TERM stored:vol01; ");
	supervise_on_exit(&p.s, 102, 0, 1200);
	assert_string_equal(carry_out(&p, 1200), "TERM attach:vol01; ");
	supervise_on_exit(&p.s, 104, 0, 1300);
	assert_string_equal(carry_out(&p, 1300), "TERM replicator:vol01; ");
	supervise_on_exit(&p.s, 103, 0, 1400);
	assert_string_equal(carry_out(&p, 1400), "all stopped; ");
	supervisor_done(&p.s);
}

static void one_on_call_stays_down_until_it_is_called_and_then_waits_out_its_back_off(void **state)
{
	struct pod p;
	size_t mount;

	pod_start(&p);
	mount = add(&p, "attach:vol01", CHILD_MOUNT, CHILD_ON_CALL);
	assert_true(supervise_all_ready(&p.s)); /* nobody wants it yet */
	supervise_start(&p.s, mount, 100);
	(void) carry_out(&p, 100);
	assert_false(supervise_all_ready(&p.s));
	for (uint64_t i = 0; i < 2; i++) { /* the first death costs nothing, the second does */
		supervise_on_exit(&p.s, p.s.children[mount].pid, 9, 200);
		assert_string_equal(carry_out(&p, 200), "");
		assert_int_equal(p.s.children[mount].state, CHILD_STOPPED);
		supervise_start(&p.s, mount, 200);
		assert_string_equal(carry_out(&p, 200), i == 0 ? "spawn attach:vol01; " : "");
	}
	assert_int_equal(p.s.children[mount].state, CHILD_BACKOFF);
	supervise_on_time(&p.s, 300);
	assert_string_equal(carry_out(&p, 300), "spawn attach:vol01; ");
	/* At another site it has not died yet. */
	supervise_on_exit(&p.s, p.s.children[mount].pid, 9, 310);
	supervise_forgive(&p.s, mount);
	supervise_start(&p.s, mount, 310);
	assert_string_equal(carry_out(&p, 310), "spawn attach:vol01; ");
	supervisor_done(&p.s);
}

static void one_can_be_ended_alone_and_started_again(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_end(&p.s, 2, SUPERVISE_ASK, 100);
	assert_string_equal(carry_out(&p, 100), "TERM stored:vol01; ");
	assert_true(supervise_all_ready(&p.s));
	supervise_start(&p.s, 2, 110); /* not while it is ending */
	assert_string_equal(carry_out(&p, 110), "");
	supervise_end(&p.s, 2, SUPERVISE_KILL, 120);
	assert_string_equal(carry_out(&p, 120), "KILL stored:vol01; ");
	supervise_end(&p.s, 2, SUPERVISE_KILL, 130);
	assert_string_equal(carry_out(&p, 130), "");
	supervise_on_exit(&p.s, 102, 9, 140);
	assert_string_equal(carry_out(&p, 140), "");
	assert_int_equal(p.s.children[2].state, CHILD_STOPPED);
	assert_int_equal(p.s.children[2].restarts, 0);
	supervise_start(&p.s, 2, 150);
	assert_string_equal(carry_out(&p, 150), "spawn stored:vol01; ");
	supervisor_done(&p.s);
}

static void one_that_waits_for_its_turn_is_ended_at_once(void **state)
{
	struct pod p;

	pod_start(&p);
	supervise_on_exit(&p.s, 102, 9, 100);
	(void) carry_out(&p, 100);
	supervise_on_exit(&p.s, p.s.children[2].pid, 9, 101);
	assert_int_equal(p.s.children[2].state, CHILD_BACKOFF);
	supervise_end(&p.s, 2, SUPERVISE_KILL, 102);
	assert_int_equal(p.s.children[2].state, CHILD_STOPPED);
	supervise_on_time(&p.s, 100000);
	assert_string_equal(carry_out(&p, 100000), "");
	supervisor_done(&p.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_that_dies_is_started_again_at_once),
		cmocka_unit_test(a_child_that_keeps_dying_waits_longer_each_time_up_to_a_limit),
		cmocka_unit_test(a_child_that_ran_well_is_forgiven_its_earlier_deaths),
		cmocka_unit_test(a_fork_that_fails_is_tried_again_later_not_in_a_loop),
		cmocka_unit_test(front_ends_stop_before_the_stores),
		cmocka_unit_test(one_that_does_not_stop_in_time_is_killed),
		cmocka_unit_test(nothing_is_started_while_stopping),
		cmocka_unit_test(a_reload_reaches_a_starting_child_only_once_it_is_ready),
		cmocka_unit_test(late_and_foreign_events_change_nothing),
		cmocka_unit_test(a_store_stops_before_its_mount_and_that_before_the_device),
		cmocka_unit_test(one_on_call_stays_down_until_it_is_called_and_then_waits_out_its_back_off),
		cmocka_unit_test(one_can_be_ended_alone_and_started_again),
		cmocka_unit_test(one_that_waits_for_its_turn_is_ended_at_once),
		cmocka_unit_test(a_name_is_supervised_once_and_the_table_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
