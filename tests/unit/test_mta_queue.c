/* The queue on disk, its schedule, and what it tells senders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "kv/kv.h"
#include "mta/queue/agenda.h"
#include "mta/queue/packet.h"
#include "mta/queue/report.h"
#include "mta/queue/schedule.h"
#include "mta/queue/shelf.h"
#include "mta/smtp/smtp.h"

struct fixture {
	char dir[64];
	struct event_base *base;
	struct shelf *shelf;
	unsigned int done, failed;
	int last;
};

static char *loose(const char *s)
{
	return (char *) (uintptr_t) s;
}

static void open_shelf(struct fixture *f)
{
	struct err err = { 0 };

	f->base = event_base_new();
	if (shelf_open(f->base, f->dir, &f->shelf, &err) < 0)
		fail_msg("%s", err.text);
}

static void close_shelf(struct fixture *f)
{
	f->shelf = shelf_close(f->shelf);
	event_base_free(f->base);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[96];

	(void) snprintf(f->dir, sizeof(f->dir), "/tmp/podmail-queue-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void) snprintf(path, sizeof(path), "%s/index", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	(void) snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void on_done(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct fixture *f = arg;

	f->done++;
	f->failed += r < 0;
	f->last = r;
}

static struct guid id_of(uint8_t n)
{
	return (struct guid){ { n } };
}

static struct shelf_change *change_put(struct fixture *f, uint8_t n, const char *body)
{
	struct shelf_change *c = shelf_change_new();
	struct guid id = id_of(n);
	Queue__Item item = QUEUE__ITEM__INIT;
	struct shelf_put *p;

	item.id = (ProtobufCBinaryData){ ID_SIZE, id.b };
	item.sender = loose("a@b.test");
	p = shelf_change_put(c, &item);
	assert_non_null(p);
	p->is_new = true;
	buf_add_str(&p->body, body);
	p->size = p->body.len;
	c->done = on_done;
	c->arg = f;
	return c;
}

static void run_until(struct fixture *f, unsigned int done)
{
	while (f->done < done)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
}

static int count_item(void *arg, Queue__Item *item)
{
	queue__item__free_unpacked(item, NULL);
	(*(unsigned int *) arg)++;
	return 0;
}

static unsigned int items(struct fixture *f)
{
	unsigned int n = 0;

	assert_int_equal(shelf_each(f->shelf, NULL, count_item, &n, NULL), 0);
	return n;
}

static unsigned int files(const struct fixture *f)
{
	char path[96];
	unsigned int n = 0;
	struct dirent *e;
	DIR *d;

	(void) snprintf(path, sizeof(path), "%s/messages", f->dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	(void) closedir(d);
	return n;
}

static void expect_body(struct fixture *f, uint8_t n, const char *body)
{
	struct guid id = id_of(n);
	char text[16] = "";
	int fd = -1;

	assert_int_equal(shelf_body(f->shelf, &id, &fd, NULL), 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), strlen(body));
	assert_string_equal(text, body);
	(void) close(fd);
}

static void remove_id(struct fixture *f, struct shelf_change *c, uint8_t n)
{
	c->remove = true;
	c->removed = id_of(n);
	c->done = on_done;
	c->arg = f;
	shelf_commit(f->shelf, c);
}

/* Everything that is in the journal goes into files and index. */
static void settle(struct fixture *f)
{
	shelf_settle_now(f->shelf);
	while (!shelf_is_settled(f->shelf))
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
}

static void many_changes_become_durable_together(void **state)
{
	struct fixture *f = *state;

	open_shelf(f);
	for (uint8_t i = 0; i < 50; i++)
		shelf_commit(f->shelf, change_put(f, i, "body"));
	run_until(f, 50);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), 50);
	expect_body(f, 7, "body");
	close_shelf(f);
	assert_int_equal(files(f), 50);
	open_shelf(f);
	assert_int_equal(items(f), 50);
	expect_body(f, 7, "body");
	close_shelf(f);
}

static void the_same_message_handed_over_twice_is_there_once(void **state)
{
	struct fixture *f = *state;

	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, 1, "first"));
	shelf_commit(f->shelf, change_put(f, 1, "second")); /* while the first is under way */
	run_until(f, 2);
	assert_int_equal(f->last, -POD_E_EXISTS);
	shelf_commit(f->shelf, change_put(f, 1, "third"));
	run_until(f, 3);
	assert_int_equal(f->last, -POD_E_EXISTS);
	assert_int_equal(items(f), 1);
	expect_body(f, 1, "first");
	close_shelf(f);
	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, 1, "fourth"));
	run_until(f, 4);
	assert_int_equal(f->last, -POD_E_EXISTS);
	close_shelf(f);
	assert_int_equal(files(f), 1);
}

static void a_removed_message_takes_its_file_along(void **state)
{
	struct fixture *f = *state;

	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, 1, "x"));
	run_until(f, 1);
	close_shelf(f);
	assert_int_equal(files(f), 1);
	open_shelf(f);
	remove_id(f, shelf_change_new(), 1);
	run_until(f, 2);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), 0);
	close_shelf(f);
	assert_int_equal(files(f), 0);
	open_shelf(f);
	assert_int_equal(items(f), 0);
	close_shelf(f);
}

static void a_message_that_leaves_at_once_never_gets_a_file(void **state)
{
	struct fixture *f = *state;

	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, 1, "x"));
	remove_id(f, shelf_change_new(), 1);
	run_until(f, 2);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), 0);
	close_shelf(f);
	assert_int_equal(files(f), 0);
}

static void a_lazy_change_goes_with_the_next_or_after_a_moment(void **state)
{
	struct fixture *f = *state;
	struct shelf_change *c = shelf_change_new();

	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, 1, "x"));
	run_until(f, 1);
	c->lazy = true;
	remove_id(f, c, 1);
	shelf_commit(f->shelf, change_put(f, 2, "x"));
	run_until(f, 3);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), 1);
	c = shelf_change_new();
	c->lazy = true;
	remove_id(f, c, 2);
	run_until(f, 4);
	assert_int_equal(items(f), 0);
	close_shelf(f);
}

static void what_is_settled_is_read_from_files_and_index(void **state)
{
	struct fixture *f = *state;
	struct shelf_change *c;

	open_shelf(f);
	for (uint8_t i = 1; i <= 3; i++)
		shelf_commit(f->shelf, change_put(f, i, "body"));
	run_until(f, 3);
	assert_int_equal(files(f), 0);
	settle(f);
	assert_int_equal(files(f), 3);
	c = change_put(f, 2, "");
	c->puts[0].is_new = false;
	shelf_commit(f->shelf, c); /* changed, and its body is where it was */
	remove_id(f, shelf_change_new(), 3);
	shelf_commit(f->shelf, change_put(f, 4, "four"));
	run_until(f, 6);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), 3);
	expect_body(f, 1, "body");
	expect_body(f, 2, "body");
	expect_body(f, 4, "four");
	settle(f);
	assert_int_equal(items(f), 3);
	assert_int_equal(files(f), 3);
	close_shelf(f);
}

static int list_id(void *arg, Queue__Item *item)
{
	char *text = arg;

	(void) sprintf(text + strlen(text), "%u ", item->id.data[0]);
	queue__item__free_unpacked(item, NULL);
	return 0;
}

static void a_walk_is_in_order_over_what_is_settled_and_what_is_not(void **state)
{
	static const struct {
		uint8_t after;
		const char *rest;
	} cases[] = { { 0, "1 2 4 5 6 " }, { 1, "2 4 5 6 " }, { 2, "4 5 6 " },
		      { 3, "4 5 6 " },     { 6, "" },         { 7, "" } };
	struct fixture *f = *state;

	open_shelf(f);
	for (uint8_t i = 0; i < 3; i++)
		shelf_commit(f->shelf, change_put(f, (uint8_t[]){ 3, 1, 5 }[i], "x"));
	run_until(f, 3);
	settle(f);
	for (uint8_t i = 0; i < 3; i++)
		shelf_commit(f->shelf, change_put(f, (uint8_t[]){ 2, 6, 4 }[i], "x"));
	remove_id(f, shelf_change_new(), 3);
	run_until(f, 7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guid after = id_of(cases[i].after);
		char text[64] = "";

		assert_int_equal(shelf_each(f->shelf, cases[i].after ? &after : NULL, list_id, text, NULL),
		                 0);
		assert_string_equal(text, cases[i].rest);
	}
	close_shelf(f);
}

/* A session's doubt is answered from what is remembered; the safety net knows that it was here, and means it.
 */
static void a_message_that_left_comes_again_only_on_purpose(void **state)
{
	const uint8_t lately = 2; /* as the first byte of an id: a moment that is not over yet */
	struct fixture *f = *state;
	struct shelf_change *c = shelf_change_new();

	open_shelf(f);
	shelf_commit(f->shelf, change_put(f, lately, "x"));
	c->remove = true;
	c->removed = id_of(lately);
	c->done = on_done;
	c->arg = f;
	shelf_commit(f->shelf, c);
	run_until(f, 2);
	shelf_commit(f->shelf, change_put(f, lately, "x"));
	run_until(f, 3);
	assert_int_equal(f->last, -POD_E_EXISTS);
	assert_int_equal(items(f), 0);
	for (unsigned int turn = 0; turn < 2; turn++) {
		c = change_put(f, lately, "x");
		c->puts[0].again = true;
		shelf_commit(f->shelf, c);
		run_until(f, 4 + turn);
		assert_int_equal(f->last, turn == 0 ? 0 : -POD_E_EXISTS); /* it is there */
		assert_int_equal(items(f), 1);
	}
	close_shelf(f);
}

static const char *dies_at;

/* As a kill would: no cleanup, no answer. */
static int die(const char *step)
{
	if (strcmp(step, dies_at) == 0)
		_exit(0);
	return 0;
}

static struct shelf_change *change_put_large(struct fixture *f, uint8_t n)
{
	struct shelf_change *c = change_put(f, n, "");

	while (c->puts[0].body.len < 100000)
		buf_add_str(&c->puts[0].body, "a line of a large message\r\n");
	c->puts[0].size = c->puts[0].body.len;
	return c;
}

/* In a process of its own: message 1 durable, then message 2 put and 1 removed in one change, killed at step.
 */
static void crash_at(struct fixture *f, const char *step)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		open_shelf(f);
		shelf_commit(f->shelf, change_put(f, 1, "one"));
		run_until(f, 1);
		settle(f);
		dies_at = step;
		shelf_set_probe(f->shelf, die);
		remove_id(f, change_put_large(f, 2), 1);
		run_until(f, 2);
		settle(f);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_crash_at_any_step_leaves_all_or_nothing_of_a_change(void **state)
{
	static const struct {
		const char *step;
		uint8_t left; /* the message that is in the queue afterwards */
	} cases[] = { { "body", 1 },  { "folder", 1 }, { "journal", 1 },
		      { "files", 2 }, { "index", 2 },  { "unlink", 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;
		struct guid id = id_of(cases[i].left), other = id_of(3 - cases[i].left);
		int fd = -1;

		(void) setup((void **) &f);
		crash_at(f, cases[i].step);
		for (int again = 0; again < 2; again++) {
			open_shelf(f);
			assert_int_equal(items(f), 1);
			assert_int_equal(shelf_body(f->shelf, &id, &fd, NULL), 0);
			(void) close(fd);
			assert_int_equal(shelf_body(f->shelf, &other, &fd, NULL), -POD_E_NOTFOUND);
			close_shelf(f);
			assert_int_equal(files(f), 1); /* nothing is left over */
		}
		(void) teardown((void **) &f);
	}
}

/* Enough for several segments of the journal. */
static void a_killed_process_leaves_what_it_acknowledged_in_the_journal(void **state)
{
	enum { MESSAGES = 200 };
	struct fixture *f = *state;
	char body[40000] = "";
	pid_t pid = fork();
	int status;

	memset(body, 'x', sizeof(body) - 1);
	if (pid == 0) {
		open_shelf(f);
		for (uint8_t i = 0; i < MESSAGES; i++)
			shelf_commit(f->shelf, change_put(f, i, body));
		run_until(f, MESSAGES);
		for (uint8_t i = 0; i < MESSAGES; i += 2)
			remove_id(f, shelf_change_new(), i);
		run_until(f, MESSAGES + MESSAGES / 2);
		_exit((int) f->failed);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	open_shelf(f);
	assert_int_equal(items(f), MESSAGES / 2);
	for (uint8_t i = 1; i < MESSAGES; i += 2) {
		struct guid id = id_of(i);
		struct stat st;
		int fd;

		assert_int_equal(shelf_body(f->shelf, &id, &fd, NULL), 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, sizeof(body) - 1);
		(void) close(fd);
	}
	close_shelf(f);
	assert_int_equal(files(f), MESSAGES / 2);
}

static pid_t committed_by;

static int note_thread(const char *step)
{
	if (strcmp(step, "journal") == 0)
		committed_by = gettid();
	return 0;
}

/* What comes one at a time is committed by the loop, what comes together by its thread; durable are both. */
static void changes_that_come_alone_are_committed_in_the_loop(void **state)
{
	struct fixture *f = *state;
	uint8_t n = 0;

	open_shelf(f);
	shelf_set_probe(f->shelf, note_thread);
	for (unsigned int alone = 0; n < 100 && alone < 3; n++) { /* a slow disk sends some to the thread */
		shelf_commit(f->shelf, change_put(f, n, "alone"));
		run_until(f, n + 1u);
		alone += committed_by == gettid();
	}
	assert_int_equal(committed_by, gettid());
	for (uint8_t end = n + 3; n < end; n++)
		shelf_commit(f->shelf, change_put(f, n, "together"));
	run_until(f, n);
	assert_int_not_equal(committed_by, gettid());
	shelf_commit(f->shelf, change_put(f, n++, "first after that"));
	run_until(f, n);
	assert_int_not_equal(committed_by, gettid());
	assert_int_equal(f->failed, 0);
	close_shelf(f);
	open_shelf(f);
	assert_int_equal(items(f), n);
	close_shelf(f);
}

/* Killed, the process leaves what it acknowledged; large messages fill a segment of the journal, which the
 * loop must not wait for. */
static void what_was_committed_in_the_loop_outlives_the_process(void **state)
{
	enum { MESSAGES = 120 };
	struct fixture *f = *state;
	char body[40000] = "";
	pid_t pid = fork();
	int status;

	memset(body, 'x', sizeof(body) - 1);
	if (pid == 0) {
		open_shelf(f);
		for (uint8_t i = 0; i < MESSAGES; i++) {
			shelf_commit(f->shelf, change_put(f, i, body));
			run_until(f, i + 1u);
		}
		_exit((int) f->failed);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	open_shelf(f);
	assert_int_equal(items(f), MESSAGES);
	close_shelf(f);
}

static int fail_journal(const char *step)
{
	return strcmp(step, "journal") == 0;
}

static void a_commit_that_fails_leaves_no_file_and_says_so(void **state)
{
	struct fixture *f = *state;

	open_shelf(f);
	shelf_set_probe(f->shelf, fail_journal);
	shelf_commit(f->shelf, change_put_large(f, 1));
	run_until(f, 1);
	assert_int_equal(f->failed, 1);
	shelf_set_probe(f->shelf, NULL);
	assert_int_equal(items(f), 0);
	assert_int_equal(files(f), 0);
	shelf_commit(f->shelf, change_put(f, 1, "x"));
	run_until(f, 2);
	assert_int_equal(f->last, 0);
	close_shelf(f);
}

static bool files_fail;

static int fail_files(const char *step)
{
	return files_fail && strcmp(step, "files") == 0;
}

/* A disk that is full, or broken, when messages get their files. */
static void what_cannot_be_settled_stops_new_mail_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	uint8_t n = 10; /* the next message */

	open_shelf(f);
	files_fail = true;
	shelf_set_probe(f->shelf, fail_files);
	shelf_commit(f->shelf, change_put(f, 1, "one"));
	shelf_commit(f->shelf, change_put(f, 2, "two"));
	run_until(f, 2);
	shelf_settle_now(f->shelf);
	for (; !f->failed; n++) {
		shelf_commit(f->shelf, change_put(f, n, "more"));
		run_until(f, f->done + 1);
	}
	assert_int_equal(f->last, -POD_E_CANCELLED);
	f->failed = 0;
	remove_id(f, shelf_change_new(), 1);
	run_until(f, f->done + 1);
	assert_int_equal(f->failed, 0);
	expect_body(f, 2, "two");
	files_fail = false;
	while (!shelf_is_settled(f->shelf)) /* it tries again by itself */
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	shelf_commit(f->shelf, change_put(f, n, "last"));
	run_until(f, f->done + 1);
	assert_int_equal(f->failed, 0);
	assert_int_equal(items(f), n - 10u + 1); /* 2, and those but the one refused */
	close_shelf(f);
	assert_int_equal(files(f), n - 10u + 1);
}

/* A queue of a podmail that knew no journal. */
static void an_older_queue_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct shelf_change *c = change_put(f, 9, "old");
	char path[160], name[ID_TEXT_SIZE];
	struct guid id = id_of(9);
	KV_TXN txn = { 0 };
	struct kv *kv;
	kv_table items_table;
	int fd;

	(void) snprintf(path, sizeof(path), "%s/index", f->dir);
	assert_int_equal(
		kv_open(path, &(struct kv_options){ .map_bytes = 1 << 20, .flags = KV_CREATE }, &kv, NULL),
		0);
	assert_int_equal(kv_table_open(kv, "items", KV_TABLE_CREATE, &items_table, NULL), 0);
	assert_int_equal(kv_txn_begin(kv, KV_WRITE, &txn, NULL), 0);
	assert_int_equal(
		kv_put(&txn, items_table, span_make(id.b, ID_SIZE), buf_span(&c->puts[0].item), NULL), 0);
	assert_int_equal(kv_txn_commit(&txn, NULL), 0);
	kv = kv_close(kv);
	shelf_change_free(c);
	(void) snprintf(path, sizeof(path), "%s/messages", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	guid_format(&id, name);
	(void) snprintf(path, sizeof(path), "%s/messages/%s", f->dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "old", 3), 3);
	(void) close(fd);
	open_shelf(f);
	assert_int_equal(items(f), 1);
	expect_body(f, 9, "old");
	remove_id(f, shelf_change_new(), 9);
	run_until(f, 1);
	close_shelf(f);
	assert_int_equal(files(f), 0);
}

/* A worker speaks with the internet: what it hands over is looked at. */
static void a_request_that_lies_about_what_is_in_it_is_refused(void **state)
{
	static uint8_t buffer[PACKET_MAX];
	struct {
		struct packet_head head;
		char bytes[7];
	} p = { { .number = 5, .submission = 3, .body = 4 }, "subbody" };
	size_t whole = sizeof(p.head) + sizeof(p.bytes);
	struct packet_request rq;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(packet_send_request(pair[0], span_make(&p, whole), NULL), 1);
	assert_int_equal(packet_receive_request(pair[1], buffer, &rq), 1);
	assert_int_equal(rq.number, 5);
	assert_true(span_eq(rq.submission, SPAN_LIT("sub")) && span_eq(rq.body, SPAN_LIT("body")));
	assert_true(rq.submission_fd < 0 && rq.body_fd < 0);
	for (size_t n = 1; n < whole; n++) {
		assert_int_equal(packet_send_request(pair[0], span_make(&p, n), NULL), 1);
		assert_int_equal(packet_receive_request(pair[1], buffer, &rq), -POD_E_PROTOCOL);
	}
	p.head.submission = UINT32_MAX; /* the sum is right again, modulo its size */
	p.head.body = 8;
	assert_int_equal(packet_send_request(pair[0], span_make(&p, whole), NULL), 1);
	assert_int_equal(packet_receive_request(pair[1], buffer, &rq), -POD_E_PROTOCOL);
	p.head.submission = p.head.body = 0; /* descriptors, then; but there are none */
	assert_int_equal(packet_send_request(pair[0], span_make(&p, sizeof(p.head)), NULL), 1);
	assert_int_equal(packet_receive_request(pair[1], buffer, &rq), -POD_E_PROTOCOL);
	(void) close(pair[0]);
	(void) close(pair[1]);
}

static void waits_double_up_to_a_limit(void **state)
{
	static const uint64_t expected[] = { 5000, 5000, 10000, 20000, 40000, 60000, 60000 };

	for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(queue_backoff_ms(i, 5000, 60000, 0), expected[i]);
	assert_int_equal(queue_backoff_ms(4000000000u, 5000, 60000, 0), 60000);
	for (uint32_t dice = 0; dice < 2000; dice++) {
		uint64_t ms = queue_backoff_ms(9, 5000, 60000, dice);

		assert_true(ms > 54000 && ms <= 60000);
	}
}

static void the_agenda_gives_the_earliest_first(void **state)
{
	struct agenda a = { 0 };
	struct agenda_entry e[200] = { 0 };
	int64_t last = INT64_MIN;
	uint32_t x = 1;
	size_t n = 0;

	for (size_t round = 0; round < 5; round++)
		for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
			x = x * 1664525 + 1013904223;
			if (x % 7 == 0)
				agenda_remove(&a, &e[i]);
			else
				assert_int_equal(agenda_set(&a, &e[i], (int64_t) (x >> 16)), 0);
		}
	for (struct agenda_entry *first; (first = agenda_first(&a)); n++) {
		assert_true(first->due_ms >= last);
		last = first->due_ms;
		agenda_remove(&a, first);
		assert_int_equal(first->place, 0);
	}
	assert_true(n > 100 && n < 200);
	agenda_done(&a);
}

static void wanting_to_know_follows_notify(void **state)
{
	static const struct {
		const char *sender;
		unsigned int notify;
		bool failed, delayed, delivered;
	} cases[] = {
		{ "a@b.test", 0, true, true, false },
		{ "a@b.test", SMTP_NOTIFY_NEVER, false, false, false },
		{ "a@b.test", SMTP_NOTIFY_SUCCESS, false, false, true },
		{ "a@b.test", SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, true, true, false },
		{ "", SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_SUCCESS, false, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Queue__Item item = QUEUE__ITEM__INIT;
		Queue__Recipient r = QUEUE__RECIPIENT__INIT;

		item.sender = loose(cases[i].sender);
		r.notify = cases[i].notify;
		assert_int_equal(report_is_wanted(&item, &r, REPORT_FAILED), cases[i].failed);
		assert_int_equal(report_is_wanted(&item, &r, REPORT_DELAYED), cases[i].delayed);
		assert_int_equal(report_is_wanted(&item, &r, REPORT_DELIVERED), cases[i].delivered);
	}
}

static int file_of(const char *text)
{
	char path[] = "/tmp/podmail-report-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
	return fd;
}

static void a_report_names_recipients_reasons_and_the_message(void **state)
{
	Queue__Item item = QUEUE__ITEM__INIT;
	Queue__Recipient one = QUEUE__RECIPIENT__INIT, two = QUEUE__RECIPIENT__INIT;
	struct report_line lines[] = { { &one, REPORT_FAILED }, { &two, REPORT_DELIVERED } };
	struct report rep = { .hostname = "mx.test",
		              .words = report_words_of("en"),
		              .trace = "fedcba9876543210",
		              .now_s = 1000000000,
		              .item = &item,
		              .lines = lines,
		              .n = 2 };
	_cleanup_buf_ struct buf out = BUF_INIT;
	bool utf8, body8;

	item.sender = loose("sender@b.test");
	item.trace = loose("0123456789abcdef");
	item.envid = loose("q+2B1");
	item.arrived_s = 1000000000;
	one.original = loose("full@b.test");
	one.orcpt = loose("rfc822;Fu+6Cl@b.test");
	one.code = POD_E_QUOTA;
	one.text = loose("over\r\nquota");
	two.original = loose("ok@b.test");
	rep.body_fd = file_of("Subject: original\r\nX: y\r\n\r\nsecret body\r\n");
	assert_int_equal(report_write(&rep, &out, &utf8, &body8, NULL), 0);
	(void) close(rep.body_fd);
	assert_non_null(strstr(buf_str(&out), "To: <sender@b.test>\r\n"));
	assert_non_null(
		strstr(buf_str(&out), "\r\nOriginal-Envelope-Id: q+1\r\nReporting-MTA: dns; mx.test\r\n"));
	assert_non_null(strstr(
		buf_str(&out),
		"\r\nOriginal-Recipient: rfc822;Full@b.test\r\nFinal-Recipient: rfc822; full@b.test\r\n"
		"Action: failed\r\nStatus: 5.2.2\r\nDiagnostic-Code: x-podmail; over  quota\r\n"));
	assert_non_null(
		strstr(buf_str(&out),
	               "\r\nFinal-Recipient: rfc822; ok@b.test\r\nAction: delivered\r\nStatus: 2.1.5\r\n"));
	assert_non_null(
		strstr(buf_str(&out),
	               "Content-Type: text/rfc822-headers\r\n\r\nSubject: original\r\nX: y\r\n\r\n--"));
	assert_null(strstr(buf_str(&out), "secret body"));
	item.ret_full = true;
	buf_clear(&out);
	rep.body_fd = file_of("Subject: original\r\n\r\nwhole body\r\n");
	assert_int_equal(report_write(&rep, &out, &utf8, &body8, NULL), 0);
	(void) close(rep.body_fd);
	assert_non_null(
		strstr(buf_str(&out),
	               "Content-Type: message/rfc822\r\n\r\nSubject: original\r\n\r\nwhole body\r\n\r\n--"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_changes_become_durable_together, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_message_handed_over_twice_is_there_once, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_message_that_left_comes_again_only_on_purpose, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_removed_message_takes_its_file_along, setup, teardown),
		cmocka_unit_test(a_crash_at_any_step_leaves_all_or_nothing_of_a_change),
		cmocka_unit_test_setup_teardown(a_lazy_change_goes_with_the_next_or_after_a_moment, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(what_is_settled_is_read_from_files_and_index, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_walk_is_in_order_over_what_is_settled_and_what_is_not,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_that_leaves_at_once_never_gets_a_file, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_killed_process_leaves_what_it_acknowledged_in_the_journal,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_settled_stops_new_mail_and_nothing_else, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(an_older_queue_is_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_that_come_alone_are_committed_in_the_loop, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(what_was_committed_in_the_loop_outlives_the_process, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_commit_that_fails_leaves_no_file_and_says_so, setup,
		                                teardown),
		cmocka_unit_test(a_request_that_lies_about_what_is_in_it_is_refused),
		cmocka_unit_test(waits_double_up_to_a_limit),
		cmocka_unit_test(the_agenda_gives_the_earliest_first),
		cmocka_unit_test(wanting_to_know_follows_notify),
		cmocka_unit_test(a_report_names_recipients_reasons_and_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
