/* The milter protocol without I/O: packets, terms, macros, replies, conversations, and what changes do to a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include "base/cleanup.h"
#include "mta/milter/message.h"
#include "mta/milter/talk.h"

#define ARENA (1u << 20)
#define PACKET(letter, data) { letter, SPAN_LIT(data) }

static void packets_are_cut_by_their_length(void **state)
{
	static const struct { struct span in; int r; size_t used; uint8_t letter; size_t data; } cases[] = {
		{ SPAN_LIT(""), 0, 0, 0, 0 },
		{ SPAN_LIT("\0\0\0"), 0, 0, 0, 0 },
		{ SPAN_LIT("\0\0\0\1"), 0, 0, 0, 0 },
		{ SPAN_LIT("\0\0\0\1c"), 1, 5, 'c', 0 },
		{ SPAN_LIT("\0\0\0\3cabXX"), 1, 7, 'c', 2 },
		{ SPAN_LIT("\0\0\0\4cab"), 0, 0, 0, 0 },
		{ SPAN_LIT("\0\0\0\0c"), -POD_E_PROTOCOL, 0, 0, 0 },
		{ SPAN_LIT("\0\x10\0\1c"), -POD_E_LIMIT, 0, 0, 0 },
		{ SPAN_LIT("\xff\xff\xff\xff"), -POD_E_LIMIT, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct milter_packet p = { 0 };
		size_t used = 0;

		assert_int_equal(milter_packet_take(cases[i].in, &p, &used), cases[i].r);
		assert_int_equal(used, cases[i].used);
		assert_int_equal(p.letter, cases[i].letter);
		assert_int_equal(p.data.len, cases[i].data);
	}
}

static void each_version_is_offered_what_it_has(void **state)
{
	static const struct { unsigned int version; uint32_t actions, steps; } cases[] = {
		{ 2, SMFI_V2_ACTS, SMFI_V2_PROT },
		{ 3, SMFI_V2_ACTS, SMFI_V2_PROT | SMFIP_NOUNKNOWN },
		{ 4, SMFI_V2_ACTS, SMFI_V2_PROT | SMFIP_NOUNKNOWN | SMFIP_NODATA },
		{ 6, SMFI_CURR_ACTS, SMFI_CURR_PROT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(ARENA);
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct milter_packet p;
		struct milter_terms t;
		size_t used;

		milter_offer(&b, cases[i].version);
		assert_int_equal(milter_packet_take(buf_span(&b), &p, &used), 1);
		assert_int_equal(p.letter, SMFIC_OPTNEG);
		/* An offer taken as it is makes an agreement. */
		assert_int_equal(milter_terms_parse(a, p.data, cases[i].version, &t, NULL), 0);
		assert_int_equal(t.version, cases[i].version);
		assert_int_equal(t.actions, cases[i].actions);
		assert_int_equal(t.steps, cases[i].steps);
		/* And more than was offered does not. */
		if (cases[i].version < 6) {
			_cleanup_buf_ struct buf more = BUF_INIT;

			milter_offer(&more, 6);
			assert_int_equal(milter_packet_take(buf_span(&more), &p, &used), 1);
			assert_int_equal(milter_terms_parse(a, p.data, cases[i].version, &t, NULL), -POD_E_VERSION);
		}
	}
}

static void macros_follow_the_lists_and_leave_out_what_is_not_known(void **state)
{
	const struct milter_facts facts = { .trace = "T1", .mail_addr = "a@b", .hostname = "mx", .auth_type = "" };
	struct milter_terms ours = { .version = 6 }, theirs = { .version = 6 };
	static const struct { enum milter_stage stage; bool own; struct span packet; } cases[] = {
		{ MILTER_EOH, false, SPAN_LIT("\0\0\0\7DNi\0T1\0") },
		{ MILTER_MAIL, true, SPAN_LIT("\0\0\0\x16" "DM{mail_addr}\0a@b\0i\0T") },
		{ MILTER_HEADER, false, SPAN_LIT("") },
		{ MILTER_RCPT, true, SPAN_LIT("") },
	};

	theirs.symbols[SMFIM_ENVFROM] = "mail_addr, {auth_type},i {no_such}";
	theirs.symbols[SMFIM_ENVRCPT] = "{rcpt_addr}";
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		milter_macros_add(&b, cases[i].stage, cases[i].own ? &theirs : &ours, &facts);
		if (cases[i].stage == MILTER_MAIL) {
			assert_non_null(memmem(b.p, b.len, "DM{mail_addr}\0a@b\0i\0T1\0", 23));
			assert_null(memmem(b.p, b.len, "auth_type", 9));
		} else {
			assert_int_equal(b.len, cases[i].packet.len);
			assert_true(span_eq(buf_span(&b), cases[i].packet));
		}
	}
}

static void replies_are_read_line_by_line(void **state)
{
	static const struct { const char *in; int r; unsigned int code; const char *enhanced, *text; } cases[] = {
		{ "550 5.7.1 no", 0, 550, "5.7.1", "no" },
		{ "450 later", 0, 450, "4.7.1", "later" },
		{ "550-5.1.1 one\r\n550-5.1.1 two\r\n550 5.1.1 three", 0, 550, "5.1.1", "one\ntwo\nthree" },
		{ "550 4.7.1 class", 0, 550, "5.7.1", "4.7.1 class" },
		{ "550 5.7.1234 x", 0, 550, "5.7.1", "5.7.1234 x" },
		{ "421 4.7.0 bye%%", 0, 421, "4.7.0", "bye%" },
		{ "550", 0, 550, "5.7.1", "Refused by a filter" },
		{ "250 2.0.0 fine", -POD_E_PROTOCOL, 0, NULL, NULL },
		{ "55 x", -POD_E_PROTOCOL, 0, NULL, NULL },
		{ "550x", -POD_E_PROTOCOL, 0, NULL, NULL },
		{ "550-a\r\n551 b", -POD_E_PROTOCOL, 0, NULL, NULL },
		{ "", -POD_E_PROTOCOL, 0, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(ARENA);
		struct milter_verdict v = { 0 };

		assert_int_equal(milter_reply_parse(a, span_of(cases[i].in), &v, NULL), cases[i].r);
		assert_int_equal(v.code, cases[i].code);
		if (cases[i].r == 0) {
			assert_string_equal(v.enhanced, cases[i].enhanced);
			assert_string_equal(v.text, cases[i].text);
		}
	}
}

static void answers_are_taken_where_they_belong(void **state)
{
	const struct { enum milter_stage stage; uint32_t steps; struct milter_packet packet; int r; enum milter_action action; } cases[] = {
		{ MILTER_CONNECT, 0, PACKET('c', ""), 0, MILTER_GO_ON },
		{ MILTER_HELO, 0, PACKET('a', ""), 0, MILTER_ACCEPT },
		{ MILTER_RCPT, 0, PACKET('r', ""), 0, MILTER_REFUSE },
		{ MILTER_RCPT, 0, PACKET('d', ""), 0, MILTER_DISCARD },
		{ MILTER_CONNECT, 0, PACKET('d', ""), -POD_E_PROTOCOL, 0 },
		{ MILTER_BODY, SMFIP_SKIP, PACKET('s', ""), 0, MILTER_GO_ON },
		{ MILTER_BODY, 0, PACKET('s', ""), -POD_E_PROTOCOL, 0 },
		{ MILTER_MAIL, SMFIP_SKIP, PACKET('s', ""), -POD_E_PROTOCOL, 0 },
		{ MILTER_DATA, 0, PACKET('f', ""), 0, MILTER_DROP },
		{ MILTER_END, 0, PACKET('y', "550 5.7.1 no\0"), 0, MILTER_REFUSE },
		{ MILTER_HEADER, 0, PACKET('h', "A\0b\0"), -POD_E_PROTOCOL, 0 },
		{ MILTER_END, 0, PACKET('Z', ""), -POD_E_PROTOCOL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(ARENA);
		struct milter_talk t = { .negotiated = true, .waiting = true, .stage = cases[i].stage,
			                 .terms = { .version = 6, .steps = cases[i].steps } };
		struct milter_answer answer;

		assert_int_equal(milter_talk_take(&t, a, 6, &cases[i].packet, &answer, NULL), cases[i].r);
		if (cases[i].r == 0) {
			assert_int_equal(answer.heard, MILTER_HEARD_VERDICT);
			assert_int_equal(answer.verdict.action, cases[i].action);
			assert_false(t.waiting);
		}
	}
}

static void what_is_not_wanted_is_not_said_and_what_has_no_answer_is_not_waited_for(void **state)
{
	const struct milter_facts facts = { .hostname = "mx" };
	const struct milter_words words = { SPAN_LIT("a@b"), SPAN_LIT("SIZE=1  X=2") };
	struct milter_talk t = { .negotiated = true, .terms = { .version = 6, .steps = SMFIP_NOHELO | SMFIP_NR_MAIL } };
	struct milter_talk old = { .negotiated = true, .terms = { .version = 3 } };
	_cleanup_buf_ struct buf b = BUF_INIT;

	assert_false(milter_talk_say(&t, &b, MILTER_HELO, &facts, &words));
	assert_int_equal(b.len, 0);
	assert_false(milter_talk_say(&t, &b, MILTER_MAIL, &facts, &words));
	assert_non_null(memmem(b.p, b.len, "M<a@b>\0SIZE=1\0X=2\0", 18));
	buf_clear(&b);
	assert_false(milter_talk_say(&old, &b, MILTER_DATA, &facts, &words));
	assert_int_equal(b.len, 0);
	assert_true(milter_talk_say(&old, &b, MILTER_UNKNOWN, &facts, &words));
	assert_true(old.waiting);
}

/* ---- a message and its changes ---- */

#define OURS "Return-Path: <a@b>\r\nReceived: by us\r\n"
#define THEIRS "Subject: one\r\nX: 1\r\nnot a field\r\nx : 2\r\n folded\r\nTo: c\r\n"

struct changed {
	struct spool *spool;
	struct milter_message m;
};

static void changed_begin(struct changed *c, size_t piece)
{
	struct span rest = SPAN_LIT(THEIRS "\r\nbody: no field\r\n");

	c->spool = spool_create(4096, "/tmp");
	assert_int_equal(milter_message_init(&c->m, c->spool), 0);
	assert_int_equal(spool_add(c->spool, SPAN_LIT(OURS), NULL), 0);
	assert_int_equal(milter_message_add(&c->m, SPAN_LIT(OURS), true), 0);
	for (; rest.len; rest = span_skip(rest, piece)) {
		assert_int_equal(spool_add(c->spool, span_head(rest, piece), NULL), 0);
		assert_int_equal(milter_message_add(&c->m, span_head(rest, piece), false), 0);
	}
	assert_int_equal(milter_message_end(&c->m), 0);
}

static void changed_end(struct changed *c, const char *expected)
{
	struct span bytes;

	assert_int_equal(milter_message_settle(&c->m, NULL), 0);
	assert_int_equal(spool_bytes(c->spool, &bytes, NULL), 0);
	assert_int_equal(bytes.len, strlen(expected));
	assert_memory_equal(bytes.p, expected, bytes.len);
	milter_message_done(&c->m);
	(void) spool_free(c->spool);
}

static void a_header_in_pieces_is_the_same_header(void **state)
{
	for (size_t piece = 1; piece < 20; piece++) {
		_cleanup_buf_ struct buf value = BUF_INIT;
		struct changed c;

		changed_begin(&c, piece);
		assert_int_equal(c.m.n, 7);
		assert_true(c.m.fields[0].ours && c.m.fields[1].ours && !c.m.fields[2].ours);
		assert_false(c.m.fields[4].is_field);
		assert_true(span_eq(milter_field_name(&c.m.fields[5]), SPAN_LIT("x")));
		milter_field_value(&c.m.fields[5], false, &value);
		assert_string_equal(buf_str(&value), "2\n folded");
		assert_int_equal(milter_message_body_size(&c.m), strlen("body: no field\r\n"));
		changed_end(&c, OURS THEIRS "\r\nbody: no field\r\n");
	}
}

static void fields_go_where_they_are_told(void **state)
{
	struct changed c;

	changed_begin(&c, 7);
	assert_int_equal(milter_message_insert(&c.m, 0, SPAN_LIT("Top"), SPAN_LIT("t"), false), 0);
	assert_int_equal(milter_message_insert(&c.m, 2, SPAN_LIT("Below"), SPAN_LIT(" b"), true), 0);
	assert_int_equal(milter_message_insert(&c.m, 99, SPAN_LIT("Last"), SPAN_LIT("l\nm\r\n\n n"), false), 0);
	assert_int_equal(milter_message_change(&c.m, SPAN_LIT("X"), 2, SPAN_LIT("two"), false), 0);
	assert_int_equal(milter_message_change(&c.m, SPAN_LIT("x"), 1, SPAN_LIT(""), false), 0);
	assert_int_equal(milter_message_change(&c.m, SPAN_LIT("Received"), 1, SPAN_LIT(""), false), 0);
	assert_int_equal(milter_message_change(&c.m, SPAN_LIT("New"), 3, SPAN_LIT("v"), false), 0);
	assert_int_equal(milter_message_set_return_path(&c.m, SPAN_LIT("z@z")), 0);
	changed_end(&c, "Return-Path: <z@z>\r\nTop: t\r\nReceived: by us\r\nBelow: b\r\nSubject: one\r\nnot a field\r\n"
	                "x: two\r\nTo: c\r\nLast: l\r\n\tm\r\n n\r\nNew: v\r\n\r\nbody: no field\r\n");
}

static void another_body_takes_the_place_of_the_first(void **state)
{
	struct spool *body = spool_create(16, "/tmp");
	struct changed c;
	uint8_t some[4];

	changed_begin(&c, 100);
	/* Larger than its memory: a file. */
	assert_int_equal(spool_add(body, SPAN_LIT("a new body that is longer\r\n"), NULL), 0);
	milter_message_replace_body(&c.m, body);
	assert_int_equal(milter_message_body_size(&c.m), 27);
	assert_int_equal(milter_message_body_read(&c.m, 6, some, 4, NULL), 0);
	assert_memory_equal(some, "body", 4);
	changed_end(&c, OURS THEIRS "\r\na new body that is longer\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_cut_by_their_length),
		cmocka_unit_test(each_version_is_offered_what_it_has),
		cmocka_unit_test(macros_follow_the_lists_and_leave_out_what_is_not_known),
		cmocka_unit_test(replies_are_read_line_by_line),
		cmocka_unit_test(answers_are_taken_where_they_belong),
		cmocka_unit_test(what_is_not_wanted_is_not_said_and_what_has_no_answer_is_not_waited_for),
		cmocka_unit_test(a_header_in_pieces_is_the_same_header),
		cmocka_unit_test(fields_go_where_they_are_told),
		cmocka_unit_test(another_body_takes_the_place_of_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
