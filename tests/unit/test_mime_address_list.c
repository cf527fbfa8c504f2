#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/address.h"

/* name|route|local|domain of each entry; "{name" and "}" are the ends of a group. */
static void describe(const struct address_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct address_entry *e = &list->entries[i];

		if (e->kind == ADDRESS_GROUP_START)
			buf_printf(out, "{" SPAN_FMT " ", SPAN_ARG(e->name));
		else if (e->kind == ADDRESS_GROUP_END)
			buf_add_str(out, "} ");
		else
			buf_printf(out, SPAN_FMT "|" SPAN_FMT "|" SPAN_FMT "|" SPAN_FMT " ",
			           SPAN_ARG(e->name), SPAN_ARG(e->route), SPAN_ARG(e->local),
			           SPAN_ARG(e->domain));
	}
}

struct list_case {
	const char *in, *want;
};

static void assert_lists(const struct list_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		_cleanup_buf_ struct buf got = BUF_INIT;
		struct address_list list;

		assert_int_equal(address_list_parse(a, span_of(cases[i].in), &list), 0);
		describe(&list, &got);
		assert_string_equal(buf_str(&got), cases[i].want);
	}
}

static void lists_follow_rfc5322(void **state)
{
	static const struct list_case cases[] = {
		{ "", "" },
		{ " alice@example.test", "||alice|example.test " },
		{ "Alice Example <alice@example.test>", "Alice Example||alice|example.test " },
		{ "a@x,b@y", "||a|x ||b|y " },
		{ "\"Last, \\\"F\\\"\" <a@x>", "Last, \"F\"||a|x " },
		{ "\"a b\"@x, <\"c\\\"d\"@y>", "||a b|x ||c\"d|y " },
		{ "John Q. Public <j@x>", "John Q. Public||j|x " },
		{ "=?utf-8?q?a?=\r\n =?utf-8?q?b?= <a@x>", "=?utf-8?q?a?= =?utf-8?q?b?=||a|x " },
		{ "a@[192.0.2.1], b@[IPv6:::1]", "||a|[192.0.2.1] ||b|[IPv6:::1] " },
		{ "\xc3\xa4 <\xc3\xb6@\xc3\xbc.test>", "\xc3\xa4||\xc3\xb6|\xc3\xbc.test " },
	};

	assert_lists(cases, ARRAY_SIZE(cases));
}

static void groups_and_routes_and_comments_are_told_apart(void **state)
{
	static const struct list_case cases[] = {
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		  "{A Group Ed Jones||c|a.test ||joe|where.test John||jdoe|one.test } " },
		{ "Undisclosed recipients:;", "{Undisclosed recipients } " },
		{ "g:a@x", "{g ||a|x } " }, /* never closed */
		{ "g:h:a@x;;b@y", "{g ||h:a|x } ||b|y " },
		{ "<@a.test,@b.test:joe@c.test>", "|@a.test,@b.test|joe|c.test " },
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		  "Pete||pete|silly.test " },
		{ "secretary@x.test (The Secretary)", "The Secretary||secretary|x.test " },
		{ "a@x (one (nested) two)", "one (nested) two||a|x " },
		{ "(only a comment)", "" },
		{ "john . doe @ example . test", "||john.doe|example.test " },
		{ "a@x; b@y", "||a|x ||b|y " },
	};

	assert_lists(cases, ARRAY_SIZE(cases));
}

static void broken_lists_are_read_as_well_as_they_can_be(void **state)
{
	static const struct list_case cases[] = {
		{ "bob", "||bob| " },
		{ "Bob Smith", "Bob Smith||| " },
		{ "\"Bob\"", "Bob||| " },
		{ "Bob Smith bob@x", "Bob Smith||bob|x " },
		{ "a@x Bob Smith", "Bob Smith||a|x " },
		{ "<>", "||| " },
		{ "MAILER-DAEMON <>", "MAILER-DAEMON||| " },
		{ "a@x <b@y>", "a@x||b|y " },
		{ "A <a@x> B <b@y>", "A||a|x B||b|y " }, /* the second one must not hide */
		{ "\"A\" <a@x>:<b@y>", "A||a|x ||b|y " },
		{ "A <junk@<a@x>>", "A||a|x " },
		{ "<a@x, b@y", "||a|x ||b|y " },
		{ "a@b@c", "||a@b|c " },
		{ "\"open <a@x>, b@y", "open <a@x>, b@y||| " },
		{ "(open a@x", "" },
		{ ",, ,a@x,,", "||a|x " },
		{ ";:;:", "" },
		{ "@x", "|||x " },
		{ "a@", "||a| " },
		{ "<[", "||[| " },
	};

	assert_lists(cases, ARRAY_SIZE(cases));
}

static void a_list_has_a_bound(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct address_list list;

	for (int i = 0; i < ADDRESS_LIST_MAX; i++)
		buf_add_str(&b, "a@x,");
	assert_int_equal(address_list_parse(a, buf_span(&b), &list), 0);
	assert_int_equal(list.n, ADDRESS_LIST_MAX);
	buf_add_str(&b, "a@x");
	assert_int_equal(address_list_parse(a, buf_span(&b), &list), -POD_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_follow_rfc5322),
		cmocka_unit_test(groups_and_routes_and_comments_are_told_apart),
		cmocka_unit_test(broken_lists_are_read_as_well_as_they_can_be),
		cmocka_unit_test(a_list_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
