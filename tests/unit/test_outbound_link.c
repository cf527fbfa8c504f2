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
#include <sys/stat.h>
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
	struct span body; /* instead of body_fd */
	uint8_t buffer[WIRE_PACKET_MAX];
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
	return outbound_send(r->client, &job, r->body, r->body.p ? -1 : r->body_fd, on_result, r);
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
static struct wire_packet take_packet(struct rig *r)
{
	struct wire_packet p = { 0 };
	int got = 0;

	for (int i = 0; i < WAIT_S * 100 && got == 0; i++) {
		(void) event_base_loop(r->base, EVLOOP_NONBLOCK);
		got = outbound_wire_receive(r->conn, r->buffer, &p);
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
	struct wire_parcel parcel;

	one.state = OUTBOUND__STATE__DELIVERED;
	one.text = (char[]){ "taken" };
	result.feedback = &feedback;
	result.outcomes = all;
	result.n_outcomes = outcomes;
	assert_int_equal(outbound_wire_pack(WIRE_RESULT, number, &result.base, SPAN_NONE, -1, &parcel), 0);
	assert_int_equal(outbound_wire_send(r->conn, &parcel), 1);
	outbound_wire_drop(&parcel);
}

static void a_job_reaches_the_process_with_its_body_and_its_result_comes_back(void **state)
{
	struct rig *r = *state;
	struct wire_packet p;
	Outbound__Job *job;
	char body[8];

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r);
	assert_int_equal(p.kind, WIRE_JOB);
	job = (Outbound__Job *) outbound_wire_unpack(&outbound__job__descriptor, &p);
	assert_non_null(job);
	assert_string_equal(job->targets[0]->address, "someone@example.org");
	assert_int_equal(pread(p.body_fd, body, sizeof(body), 0), 5);
	outbound__job__free_unpacked(job, NULL);
	outbound_wire_close(&p);
	answer(r, p.number, 1);
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DELIVERED);
	assert_string_equal(r->text, "taken");
}

static void a_body_in_memory_travels_in_the_packet_or_as_a_file_where_it_is_large(void **state)
{
	static char large[WIRE_PACKET_MAX];
	struct rig *r = *state;
	struct wire_packet p;
	Outbound__Job *job;
	struct stat st;

	rig_listen(r);
	r->body = SPAN_LIT("small");
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r);
	assert_true(p.message_fd < 0 && p.body_fd < 0 && span_eq(p.body, SPAN_LIT("small")));
	job = (Outbound__Job *) outbound_wire_unpack(&outbound__job__descriptor, &p);
	assert_string_equal(job->targets[0]->address, "someone@example.org");
	outbound__job__free_unpacked(job, NULL);
	r->body = span_make(large, sizeof(large));
	assert_non_null(send_job(r));
	p = take_packet(r);
	assert_int_equal(fstat(p.body_fd, &st), 0);
	assert_int_equal(st.st_size, sizeof(large));
	outbound_wire_close(&p);
}

static void a_packet_that_lies_about_what_is_in_it_ends_the_connection(void **state)
{
	struct rig *r = *state;
	struct wire_parcel parcel;
	struct wire_packet p;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (size_t i = 1; i < 24; i++) {
		assert_int_equal(outbound_wire_pack(WIRE_CANCEL, 1, NULL, SPAN_LIT("body"), -1, &parcel), 0);
		parcel.size -= i;
		assert_int_equal(outbound_wire_send(pair[0], &parcel), 1);
		outbound_wire_drop(&parcel);
		assert_int_equal(outbound_wire_receive(pair[1], r->buffer, &p), -POD_E_PROTOCOL);
	}
	(void) close(pair[0]);
	(void) close(pair[1]);
}

static void a_job_waits_for_a_process_that_is_not_there_yet(void **state)
{
	struct rig *r = *state;
	struct wire_packet p;

	assert_non_null(send_job(r));
	(void) event_base_loop(r->base, EVLOOP_ONCE);
	assert_int_equal(r->results, 0);
	rig_listen(r);
	accept_now(r);
	p = take_packet(r);
	outbound_wire_close(&p);
	answer(r, p.number, 1);
	run_until_results(r, 1);
}

static void a_job_whose_process_dies_is_deferred_and_the_next_finds_the_new_one(void **state)
{
	struct rig *r = *state;
	struct wire_packet p;

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r);
	outbound_wire_close(&p);
	closep(&r->conn);
	r->conn = -1;
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DEFERRED);
	assert_int_equal(r->trouble, OUTBOUND__TROUBLE__LOCAL);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r);
	outbound_wire_close(&p);
	answer(r, p.number, 1);
	run_until_results(r, 2);
	assert_int_equal(r->state, OUTBOUND__STATE__DELIVERED);
}

static void a_cancelled_job_is_told_to_the_process_and_never_called_back(void **state)
{
	struct rig *r = *state;
	struct outbound_call *call;
	struct wire_packet p;

	rig_listen(r);
	call = send_job(r);
	accept_now(r);
	p = take_packet(r);
	outbound_wire_close(&p);
	outbound_cancel(call);
	assert_int_equal(take_packet(r).kind, WIRE_CANCEL);
	answer(r, p.number, 1);
	(void) event_base_loop(r->base, EVLOOP_NONBLOCK);
	assert_int_equal(r->results, 0);
}

static void a_result_for_another_number_of_recipients_counts_as_none(void **state)
{
	struct rig *r = *state;
	struct wire_packet p;

	rig_listen(r);
	assert_non_null(send_job(r));
	accept_now(r);
	p = take_packet(r);
	outbound_wire_close(&p);
	answer(r, p.number, 2);
	run_until_results(r, 1);
	assert_int_equal(r->state, OUTBOUND__STATE__DEFERRED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_open, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_reaches_the_process_with_its_body_and_its_result_comes_back),
		TEST(a_body_in_memory_travels_in_the_packet_or_as_a_file_where_it_is_large),
		TEST(a_packet_that_lies_about_what_is_in_it_ends_the_connection),
		TEST(a_job_waits_for_a_process_that_is_not_there_yet),
		TEST(a_job_whose_process_dies_is_deferred_and_the_next_finds_the_new_one),
		TEST(a_cancelled_job_is_told_to_the_process_and_never_called_back),
		TEST(a_result_for_another_number_of_recipients_counts_as_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
