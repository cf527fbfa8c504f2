/* The queue and an outbound process: jobs and results between them, and what becomes of jobs when a process
 * dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/outbound/outbound.h"
#include "mta/outbound/wire.h"

#define WAIT_S 20

/* The test is the process: it accepts, reads jobs and answers them by hand. */
struct rig {
	char dir[64];
	struct conf conf;
	struct event_base *base;
	struct outbound_client *client;
	int listen_fd, conn, body_fd;
	unsigned int results;
	uint32_t state, trouble;
	char text[200];
};

static void rig_listen(struct rig *r)
{
	assert_int_equal(outbound_listen(&r->conf, 0, &r->listen_fd, NULL), 0);
}

static int rig_open(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	(void) snprintf(r->dir, sizeof(r->dir), "/tmp/outbound-link-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->conf = (struct conf){ .pod = { .run_dir = r->dir, .user_mta = "" }, .outbound = { .workers = 1 } };
	r->base = event_base_new();
	r->conn = r->listen_fd = -1;
	r->body_fd = memfd_create("body", MFD_CLOEXEC);
	assert_int_equal(write(r->body_fd, "hello", 5), 5);
	assert_int_equal(outbound_client_create(r->base, &r->conf, &r->client, NULL), 0);
	*state = r;
	return 0;
}

static int rig_close(void **state)
{
	struct rig *r = *state;
	char path[128];

	r->client = outbound_client_free(r->client);
	closep(&r->conn);
	closep(&r->listen_fd);
	closep(&r->body_fd);
	event_base_free(r->base);
	(void) snprintf(path, sizeof(path), "%s/mta-outbound.0.sock", r->dir);
	(void) unlink(path);
	(void) rmdir(r->dir);
	free(r);
	return 0;
}

static void on_result(void *arg, const Outbound__Result *result)
{
	struct rig *r = arg;

	r->results++;
	r->trouble = result->feedback->trouble;
	assert_int_equal(result->n_outcomes, 1);
	r->state = result->outcomes[0]->state;
	(void) snprintf(r->text, sizeof(r->text), "%s", result->outcomes[0]->text);
}

static struct outbound_call *send_job(struct rig *r)
{
	Outbound__Job job = OUTBOUND__JOB__INIT;
	Outbound__Target target = OUTBOUND__TARGET__INIT, *targets[] = { &target };

	target.address = (char[]){ "someone@example.org" };
	job.destination = (char[]){ "example.org" };
	job.targets = targets;
	job.n_targets = 1;
	return outbound_send(r->client, &job, r->body_fd, on_result, r);
}

static void accept_now(struct rig *r)
{
	for (int i = 0; i < WAIT_S * 100 && r->conn < 0; i++) {
		(void) event_base_loop(r->base, EVLOOP_NONBLOCK);
		r->conn = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (r->conn < 0)
			(void) usleep(10000);
	}
	assert_true(r->conn >= 0);
}

/* The next packet; the loop runs meanwhile. */
static struct wire_packet take_packet(struct rig *r, int fds[WIRE_FDS_MAX])
{
	struct wire_packet p = { 0 };
	int got = 0;

	for (int i = 0; i < WAIT_S * 100 && got == 0; i++) {
		(void) event_base_loop(r->base, EVLOOP_NONBLOCK);
		got = outbound_wire_receive(r->conn, &p, fds);
		if (got == 0)
			(void) usleep(10000);
	}
	assert_int_equal(got, 1);
	return p;
}

static void run_until_results(struct rig *r, unsigned int n)
{
	struct timeval tv = { WAIT_S, 0 };

	(void) event_base_loopexit(r->base, &tv);
	while (r->results < n && !event_base_got_exit(r->base))
		(void) event_base_loop(r->base, EVLOOP_ONCE);
	assert_int_equal(r->results, n);
}

static void answer(struct rig *r, uint64_t number, size_t outcomes)
{
	Outbound__Result result = OUTBOUND__RESULT__INIT;
	Outbound__Feedback feedback = OUTBOUND__FEEDBACK__INIT;
	Outbound__Outcome one = OUTBOUND__OUTCOME__INIT, *all[] = { &one, &one };
	_cleanup_(closep) int fd = -1;

	one.state = OUTBOUND__STATE__DELIVERED;
	one.text = (char[]){ "taken" };
	result.feedback = &feedback;
	result.outcomes = all;
	result.n_outcomes = outcomes;
	assert_int_equal(outbound_wire_pack(&result.base, &fd), 0);
	assert_int_equal(outbound_wire_send(r->conn, WIRE_RESULT, number, &fd, 1), 1);
}

static void a_job_reaches_the_process_with_its_body_and_its_result_comes_back(void **state)
{
	struct rig *r = *state;
	int fds[WIRE_FDS_MAX];
	struct wire_packet p;
	Outbound__Job *job;
	char body[8];

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r, fds);
	assert_int_equal(p.kind, WIRE_JOB);
	job = (Outbound__Job *) outbound_wire_unpack(&outbound__job__descriptor, fds[0]);
	assert_non_null(job);
	assert_string_equal(job->targets[0]->address, "someone@example.org");
	assert_int_equal(pread(fds[1], body, sizeof(body), 0), 5);
	outbound__job__free_unpacked(job, NULL);
	closep(&fds[0]);
	closep(&fds[1]);
	answer(r, p.number, 1);
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DELIVERED);
	assert_string_equal(r->text, "taken");
}

static void a_job_waits_for_a_process_that_is_not_there_yet(void **state)
{
	struct rig *r = *state;
	int fds[WIRE_FDS_MAX];
	struct wire_packet p;

	assert_non_null(send_job(r));
	(void) event_base_loop(r->base, EVLOOP_ONCE);
	assert_int_equal(r->results, 0);
	rig_listen(r);
	accept_now(r);
	p = take_packet(r, fds);
	closep(&fds[0]);
	closep(&fds[1]);
	answer(r, p.number, 1);
	run_until_results(r, 1);
}

static void a_job_whose_process_dies_is_deferred_and_the_next_finds_the_new_one(void **state)
{
	struct rig *r = *state;
	int fds[WIRE_FDS_MAX];
	struct wire_packet p;

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	(void) take_packet(r, fds);
	closep(&fds[0]);
	closep(&fds[1]);
	closep(&r->conn);
	r->conn = -1;
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DEFERRED);
	assert_int_equal(r->trouble, OUTBOUND__TROUBLE__LOCAL);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r, fds);
	closep(&fds[0]);
	closep(&fds[1]);
	answer(r, p.number, 1);
	run_until_results(r, 2);
	assert_int_equal(r->state, OUTBOUND__STATE__DELIVERED);
}

static void a_cancelled_job_is_told_to_the_process_and_never_called_back(void **state)
{
	struct rig *r = *state;
	struct outbound_call *call;
	int fds[WIRE_FDS_MAX];
	struct wire_packet p;

	rig_listen(r);
	call = send_job(r);
	accept_now(r);
	p = take_packet(r, fds);
	closep(&fds[0]);
	closep(&fds[1]);
	outbound_cancel(call);
	assert_int_equal(take_packet(r, fds).kind, WIRE_CANCEL);
	answer(r, p.number, 1);
	(void) event_base_loop(r->base, EVLOOP_NONBLOCK);
	assert_int_equal(r->results, 0);
}

static void a_result_for_another_number_of_recipients_counts_as_none(void **state)
{
	struct rig *r = *state;
	int fds[WIRE_FDS_MAX];
	struct wire_packet p;

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r, fds);
	closep(&fds[0]);
	closep(&fds[1]);
	answer(r, p.number, 2);
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DEFERRED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_open, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_reaches_the_process_with_its_body_and_its_result_comes_back),
		TEST(a_job_waits_for_a_process_that_is_not_there_yet),
		TEST(a_job_whose_process_dies_is_deferred_and_the_next_finds_the_new_one),
		TEST(a_cancelled_job_is_told_to_the_process_and_never_called_back),
		TEST(a_result_for_another_number_of_recipients_counts_as_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
