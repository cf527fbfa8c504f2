/* imapd/eas/query: which command it is and whose device (MS-ASHTTP 2.2.1.1.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "imapd/eas/query.h"

static void device_ids_have_one_form(void **state)
{
	static const struct {
		struct span sent;
		const char *known_as;
	} cases[] = {
		{ SPAN_LIT("ApplC39XK1ZZJC"), "ApplC39XK1ZZJC" },
		{ SPAN_LIT("158c77a7f9f1"), "158C77A7F9F1" },
		{ SPAN_LIT("158C77A7F9F1"), "158C77A7F9F1" },
		{ SPAN_LIT("\x15\x8c\x77\xa7\xf9\xf1"), "158C77A7F9F1" },
		{ SPAN_LIT("v140-Device_1.x"), "v140-Device_1.x" },
		{ SPAN_LIT("a b"), "612062" },
		{ SPAN_LIT("../x"), "2E2E2F78" },
		{ SPAN_LIT(".."), "2E2E" },
		{ SPAN_LIT(".x"), "2E78" },
		{ SPAN_LIT(""), NULL },
		{ SPAN_LIT("x1234567890123456789012345678901"), "x1234567890123456789012345678901" },
		{ SPAN_LIT("x12345678901234567890123456789012"), NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		const char *id = eas_device_id(a, cases[i].sent);

		if (cases[i].known_as)
			assert_string_equal(id, cases[i].known_as);
		else
			assert_null(id);
	}
}

static void a_plain_query_names_its_parameters(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct eas_query q;

	assert_int_equal(
		eas_query_parse(a,
	                        SPAN_LIT("User=ann%40example.org&deviceid=158c77a7f9f1&DeviceType=PocketPC"
	                                 "&Cmd=SmartReply&ItemId=7%3a12&CollectionId=3&SaveInSent=T&x=y"),
	                        &q, NULL),
		0);
	assert_false(q.base64);
	assert_true(span_eq(q.command, SPAN_LIT("SmartReply")));
	assert_string_equal(q.user, "ann@example.org");
	assert_string_equal(q.device_id, "158C77A7F9F1");
	assert_string_equal(q.device_type, "PocketPC");
	assert_string_equal(q.item_id, "7:12");
	assert_string_equal(q.collection_id, "3");
	assert_string_equal(q.long_id, "");
	assert_true(q.save_in_sent);
}

/* Example of MS-ASHTTP 4.4, with a DeviceId of 16 raw bytes. */
static void a_base64_query_has_it_all_in_a_few_bytes(void **state)
{
	static const uint8_t bytes[] = { 0x8d, 0x09, 0x09, 0x04, 4, 0x15, 0x8c, 0x77, 0xa7, 4,
		                         0x4e, 0x61, 0xbc, 0x00, 8, 'S',  'm',  'a',  'r',  't',
		                         'F',  'o',  'n',  7,    1, 3,    1,    2,    '1',  '2' };
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct span text = base64_encode(a, span_make(bytes, sizeof(bytes)));
	struct eas_query q;

	assert_int_equal(eas_query_parse(a, text, &q, NULL), 0);
	assert_true(q.base64);
	assert_int_equal(q.version, 141);
	assert_int_equal(q.code, 9);
	assert_string_equal(q.device_id, "158C77A7");
	assert_true(q.has_policy_key);
	assert_int_equal(q.policy_key, 0x00bc614e);
	assert_string_equal(q.device_type, "SmartFon");
	assert_true(q.save_in_sent && q.accept_multipart);
	assert_string_equal(q.collection_id, "12");
}

/* Of a phone in the field: without a policy key, and what became of it on its way. */
static void base64_may_have_suffered(void **state)
{
	static const uint8_t bytes[] = { 0xa1, 0, 0, 0, 4, 0xfb, 0xff, 0xfe, 0xfa, 0, 2, '>', '?' };
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct span text = base64_encode(a, span_make(bytes, sizeof(bytes)));
	char *padded = arena_str(a, text), *altered = arena_str(a, text);
	struct eas_query q;

	while (text.len && text.p[text.len - 1] == '=')
		text.len--;
	assert_int_equal(eas_query_parse(a, text, &q, NULL), 0);
	assert_string_equal(q.device_id, "FBFFFEFA");
	assert_string_equal(q.device_type, ">?");
	assert_false(q.has_policy_key);
	assert_int_equal(eas_query_parse(a, span_of(padded), &q, NULL), 0);
	for (char *p = altered; *p; p++)
		*p = *p == '+' ? ' ' : *p == '/' ? '_' : *p;
	assert_int_equal(eas_query_parse(a, span_of(altered), &q, NULL), 0);
	assert_string_equal(q.device_id, "FBFFFEFA");
}

static void what_is_neither_is_refused(void **state)
{
	static const struct span cases[] = {
		SPAN_LIT(""),
		SPAN_LIT("User=ann&DeviceId=x"),
		SPAN_LIT("jQkJBA"),       /* ends where the DeviceId should begin */
		SPAN_LIT("jQkJBP8BAg"),   /* a DeviceId of 255 bytes in 2 */
		SPAN_LIT("jQkJBAFhAgAA"), /* a PolicyKey of 2 bytes */
		SPAN_LIT("!!!!"),
		SPAN_LIT("Cmd=Sync&DeviceType=a%00b"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct err err = { 0 };
		struct eas_query q;

		assert_int_equal(eas_query_parse(a, cases[i], &q, &err), -POD_E_SYNTAX);
		assert_true(err.text[0] != '\0');
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_ids_have_one_form),
		cmocka_unit_test(a_plain_query_names_its_parameters),
		cmocka_unit_test(a_base64_query_has_it_all_in_a_few_bytes),
		cmocka_unit_test(base64_may_have_suffered),
		cmocka_unit_test(what_is_neither_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
