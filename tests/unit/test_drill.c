/* The drill's clients against a server that says what a script says, and what it makes of what it sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "podctl/drill/check.h"
#include "podctl/drill/drill.h"
#include "podctl/drill/imap.h"
#include "podctl/drill/smtp.h"

#define TIMEOUT_MS 10000

/* ---- a server: says the greeting, then one answer for each line (of a message: for its end) ---- */

struct script {
	const char *greeting;
	const char *answers[16]; /* NULL: it closes */
};

struct server {
	int fd;
	pthread_t thread;
	const struct script *scripts; /* one for each connection */
	size_t n;
	struct talk_address at;
};

static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t) strlen(text);
}

/* A line of the client's; false at its end. */
static bool hear(FILE *in)
{
	char line[2048];

	return fgets(line, sizeof(line), in) != NULL;
}

static void serve_one(int fd, const struct script *s)
{
	FILE *in = fdopen(fd, "r");
	bool data = false;

	assert_non_null(in);
	if (!say(fd, s->greeting))
		goto out;
	for (size_t i = 0; s->answers[i]; i++) {
		if (!hear(in))
			break;
		for (char line[2048] = ""; data && strcmp(line, ".\r\n") != 0;)
			if (!fgets(line, sizeof(line), in))
				goto out;
		if (!say(fd, s->answers[i]))
			break;
		data = strncmp(s->answers[i], "354", 3) == 0;
	}
out:
	(void) fclose(in);
}

static void *server_main(void *arg)
{
	struct server *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		int fd = accept(s->fd, NULL, NULL);

		if (fd < 0)
			break;
		serve_one(fd, &s->scripts[i]);
	}
	return NULL;
}

static void server_start(struct server *s, const struct script *scripts, size_t n)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		              .scripts = scripts,
		              .n = n };
	assert_int_equal(bind(s->fd, (struct sockaddr *) &at, sizeof(at)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *) &at, &len), 0);
	(void) snprintf(s->at.host, sizeof(s->at.host), "127.0.0.1");
	s->at.port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(struct server *s)
{
	(void) shutdown(s->fd, SHUT_RDWR);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	(void) close(s->fd);
}

/* ---- SMTP ---- */

#define HELLO         \
	"220 hi\r\n", \
	{             \
		"250-x\r\n250-PIPELINING\r\n250 ok\r\n"

static void a_message_counts_only_with_its_250(void **state){ static const struct { struct script script;
int r;
bool open; /* afterwards */
}
cases[] = { { { HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 stored\r\n" } }, 0, true },
	{ { HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250-a\r\n250 b\r\n" } }, 0, true
}
, { { HELLO, "250 ok\r\n", "451 later\r\n", "250 reset\r\n" } }, -POD_E_BUSY, true
}
, { { HELLO, "250 ok\r\n", "550-no\r\n550 such\r\n", "250 reset\r\n" } }, -POD_E_DENIED, true
}
, { { HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "452 full\r\n", "250 reset\r\n" } }, -POD_E_BUSY, true
}
, { { HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n" } }, -POD_E_UNAVAILABLE, false
}
, { { HELLO, "250 ok\r\n", "250 ok\r\n" } }, -POD_E_UNAVAILABLE, false
}
, { { HELLO, "what?\r\n" } }, -POD_E_PROTOCOL, false
}
,
}
;

for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
	struct server s;
	struct talk t;

	server_start(&s, &cases[i].script, 1);
	assert_int_equal(smtp_open(&t, &s.at, TIMEOUT_MS, NULL), 0);
	assert_int_equal(smtp_send(&t, "a@x", "b@x", "Subject: x\r\n\r\ntext\r\n", NULL), cases[i].r);
	assert_int_equal(t.fd >= 0, cases[i].open);
	talk_close(&t);
	server_stop(&s);
}
}

static void nobody_there_is_said_so(void **state)
{
	struct server s;
	struct talk t;
	struct err err = { 0 };

	server_start(&s, NULL, 0);
	server_stop(&s); /* the port is free again */
	assert_int_equal(smtp_open(&t, &s.at, TIMEOUT_MS, &err), -POD_E_UNAVAILABLE);
	assert_true(t.fd < 0);
}

/* ---- IMAP ---- */

#define IMAP_HELLO     \
	"* OK hi\r\n", \
	{              \
		"* CAPABILITY IMAP4rev1\r\nd OK in\r\n", "* 2 EXISTS\r\nd OK [READ-WRITE] selected\r\n"
#define MESSAGE(seq, uid, flags, subject, len)                                               \
	"* " seq " FETCH (UID " uid " FLAGS (" flags ") BODY[HEADER.FIELDS (SUBJECT)] {" len \
	"}\r\nSubject: " subject "\r\n\r\n)\r\n"

static void note(void *arg, uint32_t uid, const char *subject, bool flagged)
{
	buf_printf(arg, "%u %s%s;", uid, subject, flagged ? " !" : "");
}

static void rows_are_read_with_their_subjects_whatever_else_is_said(void **state)
{
	static const struct {
		const char *answer, *rows;
		int r;
	} cases[] = {
		{ MESSAGE("1", "3", "\\Seen", "drill-1 7", "22")
		          MESSAGE("2", "5", "\\Flagged", "drill-1 8", "22") "d OK done\r\n",
		  "3 drill-1 7;5 drill-1 8 !;", 0 },
		{ "* 9 EXISTS\r\n* 1 FETCH (FLAGS (\\Seen))\r\n" MESSAGE("4", "4", "", "",
		                                                         "13") "d OK done\r\n",
		  "4 ;", 0 },
		/* "n:*" names the last message also where it is below n. */
		{ MESSAGE("1", "2", "", "old", "16") "d OK done\r\n", "", 0 },
		{ "* 1 FETCH (UID 6 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] \"\")\r\nd OK done\r\n", "6 ;",
		  0 },
		{ "d NO [UNAVAILABLE] the volume is being taken over\r\n", "", -POD_E_BUSY },
		{ "d BAD what\r\n", "", -POD_E_PROTOCOL },
		{ "* BYE going\r\n", "", -POD_E_UNAVAILABLE },
		{ "* 1 FETCH (UID 6 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] {40}\r\nSubject: cut", "",
		  -POD_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct script script = { IMAP_HELLO, cases[i].answer }
	};
	_cleanup_buf_ struct buf rows = BUF_INIT;
	struct server s;
	struct talk t;

	server_start(&s, &script, 1);
	assert_int_equal(imap_open(&t, &s.at, "a@x", "secret", TIMEOUT_MS, NULL), 0);
	assert_int_equal(imap_fetch(&t, 3, note, &rows, NULL), cases[i].r);
	assert_string_equal(buf_str(&rows), cases[i].rows);
	talk_close(&t);
	server_stop(&s);
}
}

static void a_flag_counts_only_with_its_ok(void **state){
	const struct script script = { IMAP_HELLO, "d NO later\r\n",
	                               "* 1 FETCH (FLAGS (\\Flagged))\r\nd OK stored\r\n" }
};
struct server s;
struct talk t;

server_start(&s, &script, 1);
assert_int_equal(imap_open(&t, &s.at, "a@x", "secret", TIMEOUT_MS, NULL), 0);
assert_int_equal(imap_set_flagged(&t, 1, NULL), -POD_E_BUSY);
assert_int_equal(imap_set_flagged(&t, 1, NULL), 0);
assert_int_equal(imap_set_flagged(&t, 1, NULL), -POD_E_UNAVAILABLE);
server_stop(&s);
}

/* ---- what was promised, and what is there ---- */

static void numbers_are_those_of_the_run(void **state)
{
	assert_int_equal(load_number("drill-1", "drill-1 12"), 12);
	assert_true(load_number("drill-1", "drill-12 3") == SIZE_MAX);
	assert_true(load_number("drill-1", "drill-1 x") == SIZE_MAX);
	assert_true(load_number("drill-1", "drill-1 ") == SIZE_MAX);
	assert_true(load_number("drill-1", "") == SIZE_MAX);
}

static void the_ledger_keeps_what_was_acknowledged_and_when(void **state)
{
	struct ledger *l = ledger_create();
	struct ledger_sums s;

	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(ledger_begin(l, 0, 1000 + 100 * i), i);
	ledger_acknowledged(l, 0, 1050);
	ledger_acknowledged(l, 2, 1900); /* held up by the event */
	ledger_acknowledged(l, 4, 1460);
	ledger_refused(l);
	ledger_flagged(l, 0);
	s = ledger_sum(l, 1300);
	assert_int_equal(s.acknowledged, 3);
	assert_int_equal(s.refused, 1);
	assert_int_equal(s.unknown, 1);
	assert_int_equal(s.flagged, 1);
	assert_int_equal(s.longest_ms, 700);
	assert_int_equal(s.first_after_ms, 1460); /* not the one that was handed in before */
	(void) ledger_free(l);
}

#define EMPTY                               \
	{                                   \
		IMAP_HELLO, "d OK done\r\n" \
	}                                   \
	}

static void what_is_missing_doubled_or_unflagged_is_seen(void **state){
	static const struct script
		scripts[LOAD_USERS] = { { IMAP_HELLO, MESSAGE("1", "1", "\\Flagged", "drill-1 0",
	                                                      "22") MESSAGE("2", "2", "", "drill-1 1", "22")
	                                                      MESSAGE("3", "3", "", "drill-1 1", "22")
	                                                              MESSAGE("4", "4", "", "drill-1 2",
	                                                                      "22") "d OK done\r\n" } },
	EMPTY,
	EMPTY,
	EMPTY,
};
struct load_options o = { .run = "drill-1", .ledger = ledger_create() };
struct check_result c;
struct server s;

/* 0 is well; 1 is there twice; 2 lacks its flag; 3 is missing; 4 was never acknowledged. */
for (unsigned int i = 0; i < 5; i++)
	(void) ledger_begin(o.ledger, 0, 1000);
for (size_t i = 0; i < 4; i++)
	ledger_acknowledged(o.ledger, i, 1100 + i);
ledger_flagged(o.ledger, 0);
ledger_flagged(o.ledger, 2);
server_start(&s, scripts, LOAD_USERS);
o.imap = s.at;
assert_int_equal(check_once(&o, 5, &c, NULL), 0);
server_stop(&s);
assert_int_equal(c.checked, 4);
assert_int_equal(c.missing, 1);
assert_int_equal(c.missing_oldest_ms, 1103);
assert_int_equal(c.doubled, 1);
assert_int_equal(c.flags_checked, 2);
assert_int_equal(c.flags_missing, 1);
(void) ledger_free(o.ledger);
}

static void any_loss_makes_a_drill_bad(void **state)
{
	struct drill_result good = { .volume = "vol01" }, bad[] = { good, good, good, good };

	bad[0].after_failover.missing = 1;
	bad[1].after_failback.missing = 1;
	bad[2].after_failover.doubled = 1;
	bad[3].after_failback.flags_missing = 1;
	assert_true(drill_is_good(&good));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(drill_is_good(&bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_counts_only_with_its_250),
		cmocka_unit_test(nobody_there_is_said_so),
		cmocka_unit_test(rows_are_read_with_their_subjects_whatever_else_is_said),
		cmocka_unit_test(a_flag_counts_only_with_its_ok),
		cmocka_unit_test(numbers_are_those_of_the_run),
		cmocka_unit_test(the_ledger_keeps_what_was_acknowledged_and_when),
		cmocka_unit_test(what_is_missing_doubled_or_unflagged_is_seen),
		cmocka_unit_test(any_loss_makes_a_drill_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
