/* A message on its way from a program of the pod to the mta: what is said, and what becomes of the mta's
 * answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "submit/submit.h"
#include "tests/support/stream_end.h"

#define TIMEOUT_MS 20000
#define MESSAGE    "Subject: x\r\n\r\nhi\r\n"

/* What the mta answers to a command that begins so; NULL: it hangs up. Others are answered 250. */
struct answer {
	const char *command, *text;
};

/* An mta of one connection, which notes what it is told. */
struct mta {
	struct event_base *base;
	struct evconnlistener *listener;
	struct bufferevent *conn;
	const struct answer *answers; /* ended by one without a command */
	size_t body;                  /* bytes of a BDAT that are still to come */
	struct buf heard;
	char folder[32], path[64];
};

struct heard_result {
	int calls;
	struct submit_result result;
	char enhanced[16], text[128];
};

/* ---- the mta ---- */

static const char *answer_to(const struct mta *m, const char *line)
{
	static const char hello[] =
		"250-mta\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 XTRANSID\r\n";

	for (const struct answer *a = m->answers; a && a->command; a++)
		if (strncmp(line, a->command, strlen(a->command)) == 0)
			return a->text;
	if (strncmp(line, "EHLO", 4) == 0)
		return hello;
	return strncmp(line, "QUIT", 4) == 0 ? "221 2.0.0 bye\r\n" : "250 2.0.0 ok\r\n";
}

static void hang_up(struct mta *m)
{
	if (m->conn)
		bufferevent_free(m->conn);
	m->conn = NULL;
}

static void say(struct mta *m, const char *text)
{
	if (text)
		(void) bufferevent_write(m->conn, text, strlen(text));
	else
		hang_up(m);
}

/* False: the rest is still to come. */
static bool take_body(struct mta *m)
{
	struct evbuffer *in = bufferevent_get_input(m->conn);
	size_t n = evbuffer_get_length(in) < m->body ? evbuffer_get_length(in) : m->body;

	buf_add(&m->heard, span_make(evbuffer_pullup(in, (ev_ssize_t) n), n));
	(void) evbuffer_drain(in, n);
	m->body -= n;
	if (m->body == 0)
		say(m, answer_to(m, "the message"));
	return m->body == 0;
}

static void on_lines(struct bufferevent *conn, void *arg)
{
	struct mta *m = arg;
	char *line;

	while (m->conn && (m->body == 0 || take_body(m)) && m->conn &&
	       (line = evbuffer_readln(bufferevent_get_input(m->conn), NULL, EVBUFFER_EOL_CRLF))) {
		buf_printf(&m->heard, "%s\n", line);
		if (sscanf(line, "BDAT %zu LAST", &m->body) != 1)
			say(m, answer_to(m, line));
		free(line);
	}
}

static void on_end(struct bufferevent *conn, short what, void *arg)
{
	hang_up(arg);
}

static void on_caller(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct mta *m = arg;

	m->conn = bufferevent_socket_new(m->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(m->conn, on_lines, NULL, on_end, m);
	(void) bufferevent_enable(m->conn, EV_READ | EV_WRITE);
	say(m, m->answers && strcmp(m->answers->command, "hello") == 0 ? m->answers->text : "220 mta\r\n");
}

static int open_mta(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct mta *m = calloc(1, sizeof(*m));

	(void) strcpy(m->folder, "/tmp/test_submit.XXXXXX");
	assert_non_null(mkdtemp(m->folder));
	(void) snprintf(m->path, sizeof(m->path), "%s/mta", m->folder);
	(void) snprintf(at.sun_path, sizeof(at.sun_path), "%s", m->path);
	m->base = event_base_new();
	m->listener = evconnlistener_new_bind(m->base, on_caller, m, LEV_OPT_CLOSE_ON_FREE, 1,
	                                      (struct sockaddr *) &at, sizeof(at));
	assert_non_null(m->listener);
	*state = m;
	return 0;
}

static int close_mta(void **state)
{
	struct mta *m = *state;

	hang_up(m);
	evconnlistener_free(m->listener);
	event_base_free(m->base);
	(void) unlink(m->path);
	(void) rmdir(m->folder);
	buf_done(&m->heard);
	free(m);
	return 0;
}

/* ---- the message ---- */

static const struct span rcpts[] = { SPAN_LIT("bob@there.test"), SPAN_LIT("carol@there.test") };

static struct submit_message message(void)
{
	return (struct submit_message){ .login = "ann@example.test",
		                        .sender = SPAN_LIT("sales@example.test"),
		                        .rcpts = rcpts,
		                        .n_rcpts = ARRAY_SIZE(rcpts),
		                        .id = { { 0xab } },
		                        .peer = "2001:db8::1",
		                        .bytes = SPAN_LIT(MESSAGE) };
}

static void on_result(void *arg, const struct submit_result *r)
{
	struct heard_result *h = arg;

	h->calls++;
	h->result = *r;
	(void) snprintf(h->enhanced, sizeof(h->enhanced), "%s", r->enhanced);
	(void) snprintf(h->text, sizeof(h->text), "%s", r->text);
}

static struct heard_result send_to(struct mta *m, const struct answer *answers, unsigned int timeout_ms)
{
	struct submit_message msg = message();
	struct heard_result h = { 0 };
	struct submit *s = NULL;

	m->answers = answers;
	assert_int_equal(submit_start(m->base, m->path, timeout_ms, &msg, on_result, &h, &s, NULL), 0);
	LOOP_UNTIL(m->base, h.calls > 0);
	assert_int_equal(h.calls, 1);
	return h;
}

static void has(struct mta *m, const char *what)
{
	if (!strstr(buf_str(&m->heard), what))
		fail_msg("%s\n--- has no ---\n%s", buf_str(&m->heard), what);
}

/* ---- tests ---- */

static void a_message_that_is_taken_was_said_to_be_its_users(void **state)
{
	struct mta *m = *state;
	struct heard_result h = send_to(m, NULL, TIMEOUT_MS);

	assert_int_equal(h.result.outcome, SUBMIT_TAKEN);
	assert_int_equal(h.result.rcpt, SIZE_MAX);
	has(m, "EHLO [IPv6:2001:db8::1]\n");
	has(m, "MAIL FROM:<sales@example.test>");
	has(m, " AUTH=ann@example.test");
	has(m, " TRANSID=<ab");
	has(m, "RCPT TO:<bob@there.test>");
	has(m, "RCPT TO:<carol@there.test>");
	has(m, MESSAGE);
}

/* What the mta says at which command, and what that is. */
static void answers_become_outcomes(void **state)
{
	static const struct {
		struct answer answers[3];
		enum submit_outcome outcome;
		unsigned int code;
		const char *enhanced;
		size_t rcpt;
		bool message_went_out;
	} cases[] = {
		{ { { "MAIL", "550 5.7.1 not yours\r\n" } }, SUBMIT_SENDER_REFUSED, 550, "5.7.1", SIZE_MAX },
		{ { { "MAIL", "451 4.3.2 later\r\n" } }, SUBMIT_LATER, 451, "4.3.2", SIZE_MAX },
		{ { { "RCPT TO:<carol", "550 5.1.1 nobody\r\n" } }, SUBMIT_RCPT_REFUSED, 550, "5.1.1", 1 },
		{ { { "RCPT TO:<bob", "450 4.2.1 later\r\n" }, { "RCPT TO:<carol", "550 5.1.1 nobody\r\n" } },
		  SUBMIT_RCPT_REFUSED,
		  550,
		  "5.1.1",
		  1 },
		{ { { "RCPT TO:<bob", "450 4.2.1 later\r\n" } }, SUBMIT_LATER, 450, "4.2.1", 0 },
		{ { { "the message", "552 5.3.4 too large\r\n" } },
		  SUBMIT_MESSAGE_REFUSED,
		  552,
		  "5.3.4",
		  SIZE_MAX,
		  true },
		{ { { "the message", "451 4.3.0 later\r\n" } }, SUBMIT_LATER, 451, "4.3.0", SIZE_MAX, true },
		{ { { "the message", NULL } }, SUBMIT_UNKNOWN, 0, "", SIZE_MAX, true },
		{ { { "RCPT", NULL } }, SUBMIT_LATER, 0, "", SIZE_MAX },
		{ { { "EHLO", "502 5.5.1 no\r\n" }, { "HELO", "502 5.5.1 no\r\n" } },
		  SUBMIT_LATER,
		  502,
		  "5.5.1",
		  SIZE_MAX },
		{ { { "hello", "554 5.3.2 no service\r\n" } }, SUBMIT_LATER, 554, "5.3.2", SIZE_MAX },
		{ { { "hello", NULL } }, SUBMIT_LATER, 0, "", SIZE_MAX },
	};
	struct mta *m = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct heard_result h = send_to(m, cases[i].answers, TIMEOUT_MS);
		bool went_out = strstr(buf_str(&m->heard), MESSAGE) != NULL;

		if (h.result.outcome != cases[i].outcome || h.result.code != cases[i].code ||
		    h.result.rcpt != cases[i].rcpt ||
		    (*cases[i].enhanced && strcmp(h.enhanced, cases[i].enhanced) != 0) ||
		    went_out != cases[i].message_went_out)
			fail_msg("case %zu: outcome %d, %u %s %s, recipient %zu, message %d", i,
			         h.result.outcome, h.result.code, h.enhanced, h.text, h.result.rcpt,
			         went_out);
		hang_up(m);
		m->body = 0;
		buf_clear(&m->heard);
	}
}

static void an_mta_that_says_nothing_is_not_waited_for_without_end(void **state)
{
	static const struct answer silent[] = { { "MAIL", "" }, { NULL, NULL } },
				   later[] = { { "the message", "" }, { NULL, NULL } };
	struct mta *m = *state;

	assert_int_equal(send_to(m, silent, 50).result.outcome, SUBMIT_LATER);
	hang_up(m);
	assert_int_equal(send_to(m, later, 200).result.outcome, SUBMIT_UNKNOWN);
}

static void what_is_no_envelope_is_not_sent(void **state)
{
	struct mta *m = *state;
	const struct span bad = SPAN_LIT("bob@there.test>\r\nRCPT TO:<eve@there.test"), none = SPAN_LIT("");
	struct submit_message cases[6];
	struct submit *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cases[i] = message();
	cases[0].login = "";
	cases[1].login = "ann@example.test\r\nRSET";
	cases[2].sender = bad;
	cases[3].rcpts = &bad, cases[3].n_rcpts = 1;
	cases[4].rcpts = &none, cases[4].n_rcpts = 1;
	cases[5].n_rcpts = 0;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			submit_start(m->base, m->path, TIMEOUT_MS, &cases[i], on_result, NULL, &s, NULL),
			-POD_E_SYNTAX);
}

static void who_cancels_hears_nothing(void **state)
{
	struct mta *m = *state;
	struct submit_message msg = message();
	struct heard_result h = { 0 };
	struct submit *s = NULL;

	assert_int_equal(submit_start(m->base, m->path, TIMEOUT_MS, &msg, on_result, &h, &s, NULL), 0);
	LOOP_UNTIL(m->base, m->heard.len > 0);
	s = submit_cancel(s);
	assert_null(s);
	LOOP_UNTIL(m->base, !m->conn);
	assert_int_equal(h.calls, 0);
	assert_null(submit_cancel(NULL));
}

static void without_an_mta_it_is_later(void **state)
{
	struct mta *m = *state;
	struct submit_message msg = message();
	struct heard_result h = { 0 };
	struct submit *s = NULL;

	assert_int_equal(unlink(m->path), 0);
	if (submit_start(m->base, m->path, TIMEOUT_MS, &msg, on_result, &h, &s, NULL) < 0)
		return;
	LOOP_UNTIL(m->base, h.calls > 0);
	assert_int_equal(h.result.outcome, SUBMIT_LATER);
}

#define WITH_MTA(test) cmocka_unit_test_setup_teardown(test, open_mta, close_mta)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MTA(a_message_that_is_taken_was_said_to_be_its_users),
		WITH_MTA(answers_become_outcomes),
		WITH_MTA(an_mta_that_says_nothing_is_not_waited_for_without_end),
		WITH_MTA(what_is_no_envelope_is_not_sent),
		WITH_MTA(who_cancels_hears_nothing),
		WITH_MTA(without_an_mta_it_is_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
