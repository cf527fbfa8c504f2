/* Small parts of the HTTPS server and of the gateway behind it: passwords in headers, framing, compression,
 * words between workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "imapd/eas/park/mesh.h"
#include "imapd/http/basic.h"
#include "imapd/http/internal.h"

static void a_password_is_what_is_behind_the_first_colon(void **state)
{
	static const struct {
		const char *header;
		int r;
		const char *user, *password;
	} cases[] = {
		{ "Basic YW5uOnNlY3JldA==", 0, "ann", "secret" },
		{ "basic   YW5uOmE6Yg==", 0, "ann", "a:b" },
		{ "Basic YW5uOg==", 0, "ann", "" },
		{ "Basic YW5u", -POD_E_SYNTAX, NULL, NULL },         /* no colon */
		{ "Basic OnNlY3JldA==", -POD_E_SYNTAX, NULL, NULL }, /* nobody */
		{ "Basic ???", -POD_E_SYNTAX, NULL, NULL },
		{ "Bearer abc", -POD_E_NOTFOUND, NULL, NULL },
		{ "", -POD_E_NOTFOUND, NULL, NULL },
		{ NULL, -POD_E_NOTFOUND, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct span user, password;

		assert_int_equal(http_basic_parse(a, cases[i].header, &user, &password), cases[i].r);
		if (cases[i].r < 0)
			continue;
		assert_true(span_eq(user, span_of(cases[i].user)));
		assert_true(span_eq(password, span_of(cases[i].password)));
	}
}

static void gzip_is_taken_where_it_is_said(void **state)
{
	assert_true(http_takes_gzip("gzip"));
	assert_true(http_takes_gzip("deflate, GZIP;q=0.5"));
	assert_true(http_takes_gzip("br , x-gzip"));
	assert_false(http_takes_gzip("gzip;q=0"));
	assert_false(http_takes_gzip("gzip; q=0.0, deflate"));
	assert_false(http_takes_gzip("gzipped"));
	assert_false(http_takes_gzip(""));
	assert_false(http_takes_gzip(NULL));
}

/* Headers as "Name: value" lines; whether all who read them agree on where the body ends (RFC 9112 6.3). */
static void where_a_body_ends_is_said_in_one_way(void **state)
{
	static const struct {
		const char *lines[4][2];
		bool is_1_0, clear;
	} cases[] = {
		{ { { "Host", "x" } }, false, true },
		{ { { "Content-Length", "5" } }, false, true },
		{ { { "transfer-encoding", "Chunked" } }, false, true },
		{ { { "Transfer-Encoding", "chunked" } }, true, false },
		{ { { "Content-Length", "5" }, { "Transfer-Encoding", "chunked" } }, false, false },
		{ { { "Content-Length", "5" }, { "content-length", "5" } }, false, false },
		{ { { "Content-Length", "+5" } }, false, false },
		{ { { "Content-Length", "5, 5" } }, false, false },
		{ { { "Content-Length", "" } }, false, false },
		{ { { "Content-Length ", "5" } }, false, false },
		{ { { "Transfer-Encoding\t", "chunked" } }, false, false },
		{ { { "Transfer-Encoding", "gzip, chunked" } }, false, false },
		{ { { "Transfer-Encoding", "xchunked" } }, false, false },
		{ { { "Transfer-Encoding", "chunked" }, { "Transfer-Encoding", "chunked" } }, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct evkeyvalq headers;

		TAILQ_INIT(&headers);
		for (size_t k = 0; cases[i].lines[k][0]; k++)
			assert_int_equal(
				evhttp_add_header(&headers, cases[i].lines[k][0], cases[i].lines[k][1]), 0);
		if (http_framing_is_clear(&headers, cases[i].is_1_0) != cases[i].clear)
			fail_msg("case %zu: %s: %s", i, cases[i].lines[0][0], cases[i].lines[0][1]);
		evhttp_clear_headers(&headers);
	}
}

static void a_body_is_plain_unless_it_says_otherwise(void **state)
{
	static const struct {
		const char *coding;
		bool plain;
	} cases[] = { { NULL, true }, { "identity", true }, { "gzip", false }, { "identity, gzip", false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct evkeyvalq headers;

		TAILQ_INIT(&headers);
		if (cases[i].coding)
			assert_int_equal(evhttp_add_header(&headers, "Content-Encoding", cases[i].coding), 0);
		assert_int_equal(http_body_is_plain(&headers), cases[i].plain);
		evhttp_clear_headers(&headers);
	}
}

/* In many pieces, as an answer is that was made of many. */
static void what_was_compressed_is_the_same_again(void **state)
{
	struct evbuffer *buf = evbuffer_new();
	static uint8_t out[300000];
	z_stream z = { 0 };
	size_t len = 0;

	for (int i = 0; i < 20000; i++)
		len += (size_t) evbuffer_add_printf(buf, "line %d\n", i);
	assert_true(http_gzip(buf));
	assert_true(evbuffer_get_length(buf) < len / 2);
	assert_int_equal(inflateInit2(&z, MAX_WBITS | 16), Z_OK);
	z.avail_in = (uInt) evbuffer_get_length(buf);
	z.next_in = evbuffer_pullup(buf, -1);
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, len);
	assert_memory_equal(out, "line 0\nline 1\n", 14);
	assert_memory_equal(out + len - 11, "line 19999\n", 11);
	(void) inflateEnd(&z);
	evbuffer_free(buf);
}

static void count_word(void *arg, struct span word)
{
	assert_true(span_eq(word, SPAN_LIT("waits here")));
	++*(unsigned int *) arg;
}

/* Worker 0 listens here, worker 1 is another process. */
static void a_word_reaches_every_other_worker(void **state)
{
	struct event_base *base = event_base_new();
	struct mesh *m = NULL;
	unsigned int heard = 0;
	pid_t other;
	int status;

	assert_int_equal(mesh_create(2, &m, NULL), 0);
	other = fork();
	if (other == 0) {
		struct event_base *own = event_base_new();

		if (mesh_listen(m, own, 1, count_word, &heard, NULL) < 0)
			_exit(1);
		mesh_say(m, SPAN_LIT("waits here"));
		mesh_say(m, SPAN_LIT("waits here"));
		(void) event_base_loop(own, EVLOOP_NONBLOCK);
		_exit(heard != 0); /* nobody hears himself */
	}
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
	assert_int_equal(mesh_listen(m, base, 0, count_word, &heard, NULL), 0);
	(void) event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(heard, 2);
	m = mesh_free(m);
	event_base_free(base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_what_is_behind_the_first_colon),
		cmocka_unit_test(gzip_is_taken_where_it_is_said),
		cmocka_unit_test(where_a_body_ends_is_said_in_one_way),
		cmocka_unit_test(a_body_is_plain_unless_it_says_otherwise),
		cmocka_unit_test(what_was_compressed_is_the_same_again),
		cmocka_unit_test(a_word_reaches_every_other_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
