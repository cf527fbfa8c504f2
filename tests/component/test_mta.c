/* The mta as a program, against fake stores: delivery, the queue, and what happens when things die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "directory/directory.h"
#include "net/tls.h"
#include "tests/support/fake_store.h"

#define LIMIT_MS 60000 /* what a loaded machine may take */

struct pod {
	char dir[64], conf[96], mail[96];
	struct directory *d;
	pid_t mta, vol1, vol2;
	int port;
};

static char *loose(const char *s)
{
	return (char *) (uintptr_t) s;
}

static void must_create(struct pod *p, enum directory_kind kind, const char *name, const ProtobufCMessage *record)
{
	struct err err = { 0 };

	if (directory_create(p->d, kind, span_of(name), record, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static void add_volume(struct pod *p, const char *name)
{
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	char endpoint[192], id[ID_TEXT_SIZE];
	struct guid g = guid_new();

	guid_format(&g, id);
	(void) snprintf(endpoint, sizeof(endpoint), "unix:%s/%s.sock", p->mail, name);
	v.id = id;
	v.endpoint = endpoint;
	v.primary_host = loose("h");
	v.path = p->mail;
	v.token = 1;
	v.state = loose("active");
	must_create(p, DIRECTORY_VOLUME, name, &v.base);
}

static void add_user(struct pod *p, const char *local, const char *volume)
{
	Directory__User u = DIRECTORY__USER__INIT;
	char address[96];

	(void) snprintf(address, sizeof(address), "%s@example.test", local);
	u.volume = loose(volume);
	u.user_id = loose(local);
	u.state = loose("active");
	must_create(p, DIRECTORY_USER, address, &u.base);
}

static void fill_directory(struct pod *p)
{
	Directory__Site site = DIRECTORY__SITE__INIT;
	Directory__Host host = DIRECTORY__HOST__INIT;
	Directory__Pod pod = DIRECTORY__POD__INIT;
	Directory__Domain domain = DIRECTORY__DOMAIN__INIT;
	Directory__Alias alias = DIRECTORY__ALIAS__INIT;
	char *targets[] = { loose("alice@example.test"), loose("bob@example.test") };

	host.site = loose("s");
	host.address = loose("127.0.0.1");
	pod.domain = loose("example.test");
	must_create(p, DIRECTORY_SITE, "s", &site.base);
	must_create(p, DIRECTORY_HOST, "h", &host.base);
	must_create(p, DIRECTORY_DOMAIN, "example.test", &domain.base);
	must_create(p, DIRECTORY_POD, "p", &pod.base);
	add_volume(p, "vol1");
	add_volume(p, "vol2");
	add_user(p, "alice", "vol1");
	add_user(p, "quota", "vol1");
	add_user(p, "disk", "vol1");
	add_user(p, "gone", "vol1");
	add_user(p, "bob", "vol2");
	alias.n_targets = 2;
	alias.targets = targets;
	must_create(p, DIRECTORY_ALIAS, "both@example.test", &alias.base);
}

static int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *) &a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &len), 0);
	return ntohs(a.sin_port);
}

static void write_conf(struct pod *p, int lmtp_port)
{
	FILE *f = fopen(p->conf, "w");

	assert_non_null(f);
	(void) fprintf(f,
	               "pod { dir = \"%s\"; domain = example.test; user_mta = \"\"; user_imap = \"\"; user_store = \"\"; }\n"
	               "log { level = info; }\n"
	               "mta { workers = 2; hostname = mx.example.test; smtp = \"127.0.0.1:%d\"; lmtp = \"127.0.0.1:%d\";\n"
	               "  submission = none; submissions = none; queue_retry_min = 200ms; queue_retry_max = 1s;\n"
	               "  store_timeout = 5s; memory_per_message = 4K; max_message_size = 1M; }\n",
	               p->dir, p->port, lmtp_port);
	assert_int_equal(fclose(f), 0);
}

static void make_folder(const char *dir, const char *name)
{
	char path[256];

	(void) snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static pid_t spawn_mta(struct pod *p)
{
	char program[512], fd_text[16], line[16];
	const char *bin = getenv("PODMAIL_BIN");
	int ready[2];
	pid_t pid;

	(void) snprintf(program, sizeof(program), "%s/mta", bin ? bin : "build/bin");
	assert_int_equal(pipe(ready), 0);
	(void) snprintf(fd_text, sizeof(fd_text), "%d", ready[1]);
	pid = fork();
	if (pid == 0) {
		char log[128];
		int out;

		(void) snprintf(log, sizeof(log), "%s/mta.log", p->dir);
		out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		(void) dup2(out, STDERR_FILENO);
		(void) close(ready[0]);
		(void) setenv("PODMAIL_READY_FD", fd_text, 1);
		(void) execl(program, "mta", "--config", p->conf, (char *) NULL);
		_exit(127);
	}
	(void) close(ready[1]);
	assert_true(pid > 0);
	assert_true(read(ready[0], line, sizeof(line)) > 0);
	(void) close(ready[0]);
	return pid;
}

static void stop(pid_t *pid, int sig)
{
	if (*pid > 0) {
		(void) kill(*pid, sig);
		(void) waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static int lmtp_port;

static int pod_setup(void **state)
{
	struct pod *p = calloc(1, sizeof(*p));
	static const char *const folders[] = { "directory", "run", "run/metrics", "mail", "tls" };
	const char *names[] = { "localhost" };
	char path[160];

	(void) snprintf(p->dir, sizeof(p->dir), "/tmp/podmail-mta-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void) snprintf(p->conf, sizeof(p->conf), "%s/podmail.conf", p->dir);
	(void) snprintf(p->mail, sizeof(p->mail), "%s/mail", p->dir);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		make_folder(p->dir, folders[i]);
	(void) snprintf(path, sizeof(path), "%s/tls", p->dir);
	assert_int_equal(tls_make_self_signed(path, names, 1, NULL), 0);
	(void) snprintf(path, sizeof(path), "%s/directory", p->dir);
	assert_int_equal(directory_open_writer(path, &p->d, NULL), 0);
	fill_directory(p);
	p->port = free_port();
	do
		lmtp_port = free_port();
	while (lmtp_port == p->port);
	write_conf(p, lmtp_port);
	p->vol1 = fake_store_start(p->mail, "vol1");
	p->vol2 = fake_store_start(p->mail, "vol2");
	assert_true(p->vol1 > 0 && p->vol2 > 0);
	p->mta = spawn_mta(p);
	*state = p;
	return 0;
}

static int pod_teardown(void **state)
{
	struct pod *p = *state;
	char command[160];

	stop(&p->mta, SIGTERM);
	fake_store_stop(p->vol1);
	fake_store_stop(p->vol2);
	(void) directory_close(p->d);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

/* ---- a client ---- */

static int dial(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t) port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *) &a, sizeof(a)), 0);
	return fd;
}

/* The next reply line that is a last one ("250 "), or "" at the end. */
static const char *hear(int fd)
{
	static char line[1024];
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		struct pollfd pfd = { fd, POLLIN, 0 };

		if (poll(&pfd, 1, LIMIT_MS) != 1)
			fail_msg("no reply within the limit");
		if (recv(fd, line + n, 1, 0) <= 0)
			break;
		if (line[n++] != '\n')
			continue;
		if (n > 4 && line[3] == ' ') {
			line[n] = '\0';
			return line;
		}
		n = 0;
	}
	return "";
}

static void expect_code(int fd, const char *start)
{
	const char *line = hear(fd);

	if (strncmp(line, start, strlen(start)) != 0)
		fail_msg("expected %s, heard %s", start, line);
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t) len);
}

static void exchange(int fd, const char *text, const char *start)
{
	say(fd, text);
	expect_code(fd, start);
}

static int greet(int port, const char *hello)
{
	int fd = dial(port);

	expect_code(fd, "220 ");
	exchange(fd, hello, "250 ");
	return fd;
}

/* One whole message to recipients ("a b"), expecting a reply after its data. */
static void send_mail(int port, const char *sender, const char *locals, const char *body, const char *reply)
{
	_cleanup_(closep) int fd = greet(port, "EHLO test\r\n");
	struct span rest = span_of(locals);
	char line[256];

	(void) snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", sender);
	exchange(fd, line, "250 ");
	while (rest.p) {
		struct span local = span_split(rest, ' ', &rest);

		(void) snprintf(line, sizeof(line), "RCPT TO:<" SPAN_FMT "@example.test>\r\n", SPAN_ARG(local));
		exchange(fd, line, "250 ");
	}
	exchange(fd, "DATA\r\n", "354 ");
	say(fd, body);
	exchange(fd, "\r\n.\r\n", reply);
	exchange(fd, "QUIT\r\n", "221 ");
}

/* ---- what arrived ---- */

/* Files of a user's deliveries; the last one's text in *ret_text where it is not NULL. */
static int count_mail(struct pod *p, const char *user, struct buf *ret_text)
{
	DIR *d = opendir(p->mail);
	struct dirent *e;
	size_t len = strlen(user);
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[512];
		FILE *f;

		if (strncmp(e->d_name, user, len) != 0 || e->d_name[len] != '.' || strlen(e->d_name) != len + 33)
			continue;
		n++;
		if (!ret_text)
			continue;
		(void) snprintf(path, sizeof(path), "%s/%s", p->mail, e->d_name);
		f = fopen(path, "r");
		assert_non_null(f);
		buf_clear(ret_text);
		for (int c; (c = getc(f)) != EOF;)
			buf_add_byte(ret_text, (uint8_t) c);
		(void) fclose(f);
	}
	(void) closedir(d);
	return n;
}

/* Until the folder has them, woken by each new name in it. */
static void wait_for_mail(struct pod *p, const char *user, int n)
{
	_cleanup_(closep) int events = inotify_init1(IN_CLOEXEC);
	uint64_t deadline = clock_mono_ms() + LIMIT_MS;
	struct pollfd pfd = { events, POLLIN, 0 };

	assert_true(inotify_add_watch(events, p->mail, IN_CREATE | IN_MOVED_TO) >= 0);
	while (count_mail(p, user, NULL) != n) {
		uint64_t now = clock_mono_ms();
		char seen[4096];

		if (now > deadline || poll(&pfd, 1, (int) (deadline - now)) != 1)
			fail_msg("%s has %d messages, not %d", user, count_mail(p, user, NULL), n);
		assert_true(read(events, seen, sizeof(seen)) > 0);
	}
}

/* GET of the queue's control socket. */
static void ask_queue(struct pod *p, const char *request, struct buf *answer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[256], piece[4096];
	ssize_t n;

	(void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/mta-queue.sock", p->dir);
	assert_int_equal(connect(fd, (struct sockaddr *) &sun, sizeof(sun)), 0);
	(void) snprintf(text, sizeof(text), "%s HTTP/1.0\r\nHost: x\r\n\r\n", request);
	say(fd, text);
	buf_clear(answer);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		buf_add(answer, span_make(piece, (size_t) n));
}

static void wait_for_empty_queue(struct pod *p)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint64_t deadline = clock_mono_ms() + LIMIT_MS;

	do {
		ask_queue(p, "GET /queue", &b);
		if (strstr(buf_str(&b), "\"total\":0"))
			return;
	} while (clock_mono_ms() < deadline);
	fail_msg("the queue does not get empty: %s", buf_str(&b));
}

/* ---- tests ---- */

static void a_message_reaches_both_volumes_with_its_trace_on_top(void **state)
{
	struct pod *p = *state;
	_cleanup_buf_ struct buf text = BUF_INIT;

	send_mail(p->port, "eve@away.test", "both alice", "Subject: hi\r\n\r\n..dots", "250 2.0.0 Ok id=");
	assert_int_equal(count_mail(p, "alice", &text), 1);
	assert_int_equal(count_mail(p, "bob", NULL), 1);
	assert_int_equal(strncmp(buf_str(&text), "Return-Path: <eve@away.test>\r\nReceived: from test ([127.0.0.1])\r\n", 62), 0);
	assert_non_null(strstr(buf_str(&text), "\r\nSubject: hi\r\n\r\n.dots\r\n"));
}

static void a_large_message_travels_as_a_descriptor(void **state)
{
	struct pod *p = *state;
	_cleanup_buf_ struct buf text = BUF_INIT, big = BUF_INIT;

	buf_add_str(&big, "Subject: big\r\n\r\n");
	for (int i = 0; i < 4000; i++)
		buf_printf(&big, "line %06d with some words to make it longer than it needs to be\r\n", i);
	send_mail(p->port, "eve@away.test", "alice", buf_str(&big), "250 2.0.0 Ok id=");
	assert_int_equal(count_mail(p, "alice", &text), 1);
	assert_true(text.len > big.len);
	assert_non_null(strstr(buf_str(&text), buf_str(&big)));
}

static void recipients_are_refused_with_their_reason(void **state)
{
	struct pod *p = *state;
	_cleanup_(closep) int fd = greet(p->port, "EHLO test\r\n");

	exchange(fd, "MAIL FROM:<a@away.test>\r\n", "250 ");
	exchange(fd, "RCPT TO:<nobody@example.test>\r\n", "550 5.1.1");
	exchange(fd, "RCPT TO:<a@elsewhere.test>\r\n", "550 5.7.1");
	exchange(fd, "RCPT TO:<ALICE@Example.Test>\r\n", "250 2.1.5");
}

static void a_volume_that_is_away_costs_nobody_a_message(void **state)
{
	struct pod *p = *state;
	_cleanup_buf_ struct buf b = BUF_INIT;

	fake_store_stop(p->vol2);
	p->vol2 = 0;
	send_mail(p->port, "eve@away.test", "both", "Subject: late\r\n\r\nx", "250 2.0.0 Ok id=");
	assert_int_equal(count_mail(p, "alice", NULL), 1);
	assert_int_equal(count_mail(p, "bob", NULL), 0);
	ask_queue(p, "GET /queue", &b);
	assert_non_null(strstr(buf_str(&b), "bob@example.test"));
	assert_null(strstr(buf_str(&b), "alice@example.test"));
	p->vol2 = fake_store_start(p->mail, "vol2");
	wait_for_mail(p, "bob", 1);
	wait_for_empty_queue(p);
	assert_int_equal(count_mail(p, "alice", NULL), 1);
}

static void what_is_queued_survives_kill_minus_nine(void **state)
{
	struct pod *p = *state;

	fake_store_stop(p->vol1);
	fake_store_stop(p->vol2);
	p->vol1 = p->vol2 = 0;
	for (int i = 0; i < 5; i++)
		send_mail(p->port, "eve@away.test", "both", "Subject: many\r\n\r\nx", "250 2.0.0 Ok id=");
	stop(&p->mta, SIGKILL);
	p->vol1 = fake_store_start(p->mail, "vol1");
	p->mta = spawn_mta(p);
	wait_for_mail(p, "alice", 5);
	stop(&p->mta, SIGKILL);
	p->vol2 = fake_store_start(p->mail, "vol2");
	p->mta = spawn_mta(p);
	wait_for_mail(p, "bob", 5);
	wait_for_empty_queue(p);
	assert_int_equal(count_mail(p, "alice", NULL), 5);
}

static void a_recipient_refused_alone_is_reported_to_the_sender(void **state)
{
	struct pod *p = *state;
	_cleanup_buf_ struct buf text = BUF_INIT;

	send_mail(p->port, "bob@example.test", "alice quota", "Subject: one of two\r\n\r\nx", "250 2.0.0 Ok id=");
	assert_int_equal(count_mail(p, "alice", NULL), 1);
	wait_for_mail(p, "bob", 1);
	assert_int_equal(count_mail(p, "bob", &text), 1);
	assert_non_null(strstr(buf_str(&text), "Return-Path: <>\r\n"));
	assert_non_null(strstr(buf_str(&text), "\r\nFinal-Recipient: rfc822; quota@example.test\r\nAction: failed\r\n"
	                                       "Status: 5.2.2\r\n"));
	assert_non_null(strstr(buf_str(&text), "\r\nSubject: one of two\r\n"));
	wait_for_empty_queue(p);
}

static void when_all_are_refused_the_reply_says_so(void **state)
{
	struct pod *p = *state;

	send_mail(p->port, "bob@example.test", "quota", "x: y\r\n\r\nx", "452 4.2.2");
	send_mail(p->port, "bob@example.test", "disk", "x: y\r\n\r\nx", "452 4.3.1");
	send_mail(p->port, "bob@example.test", "gone", "x: y\r\n\r\nx", "550 5.1.1");
	send_mail(p->port, "bob@example.test", "gone disk", "x: y\r\n\r\nx", "452 4.3.1");
	wait_for_empty_queue(p);
	assert_int_equal(count_mail(p, "bob", NULL), 0);
}

static void lmtp_has_a_reply_for_each(void **state)
{
	struct pod *p = *state;
	_cleanup_(closep) int fd = greet(lmtp_port, "LHLO test\r\n");

	exchange(fd, "MAIL FROM:<bob@example.test>\r\n", "250 ");
	exchange(fd, "RCPT TO:<quota@example.test>\r\n", "250 ");
	exchange(fd, "RCPT TO:<alice@example.test>\r\n", "250 ");
	exchange(fd, "RCPT TO:<both@example.test>\r\n", "250 ");
	exchange(fd, "DATA\r\n", "354 ");
	exchange(fd, "Subject: x\r\n\r\nx\r\n.\r\n", "452 4.2.2");
	expect_code(fd, "250 ");
	expect_code(fd, "250 ");
	exchange(fd, "QUIT\r\n", "221 ");
	assert_int_equal(count_mail(p, "alice", NULL), 1);
	assert_int_equal(count_mail(p, "bob", NULL), 1);
}

static void a_queued_message_can_be_looked_at_and_removed(void **state)
{
	struct pod *p = *state;
	_cleanup_buf_ struct buf b = BUF_INIT;
	char request[128], trace[32], *at;

	fake_store_stop(p->vol2);
	p->vol2 = 0;
	send_mail(p->port, "eve@away.test", "bob", "Subject: unwanted\r\n\r\nx", "250 2.0.0 Ok id=");
	ask_queue(p, "GET /queue", &b);
	at = strstr((char *) (uintptr_t) buf_str(&b), "\"trace\":\"");
	assert_non_null(at);
	(void) snprintf(trace, sizeof(trace), "%.16s", at + 9);
	(void) snprintf(request, sizeof(request), "GET /queue/%s", trace);
	ask_queue(p, request, &b);
	assert_non_null(strstr(buf_str(&b), "bob@example.test"));
	(void) snprintf(request, sizeof(request), "DELETE /queue/%s", trace);
	do
		ask_queue(p, request, &b);
	while (strstr(buf_str(&b), " 409 ")); /* an attempt is under way */
	assert_non_null(strstr(buf_str(&b), "\"removed\":true"));
	ask_queue(p, request, &b);
	assert_non_null(strstr(buf_str(&b), " 404 "));
	wait_for_empty_queue(p);
}

static void a_client_that_closes_its_side_still_gets_its_replies(void **state)
{
	struct pod *p = *state;
	_cleanup_(closep) int fd = dial(p->port);

	expect_code(fd, "220 ");
	say(fd, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect_code(fd, "250 CHUNKING");
	expect_code(fd, "250 2.1.0");
	expect_code(fd, "250 2.1.5");
	expect_code(fd, "354 ");
	expect_code(fd, "250 2.0.0");
	assert_string_equal(hear(fd), "");
	assert_int_equal(count_mail(p, "alice", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_reaches_both_volumes_with_its_trace_on_top, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(a_large_message_travels_as_a_descriptor, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(recipients_are_refused_with_their_reason, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(a_volume_that_is_away_costs_nobody_a_message, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(what_is_queued_survives_kill_minus_nine, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(a_recipient_refused_alone_is_reported_to_the_sender, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(when_all_are_refused_the_reply_says_so, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(lmtp_has_a_reply_for_each, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(a_queued_message_can_be_looked_at_and_removed, pod_setup, pod_teardown),
		cmocka_unit_test_setup_teardown(a_client_that_closes_its_side_still_gets_its_replies, pod_setup, pod_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
