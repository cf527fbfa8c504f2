#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "podctl/cli.h"
#include "podctl/date.h"
#include "podctl/password.h"
#include "podctl/size.h"
#include "podctl/table.h"

/* Splits words at spaces and parses them as podctl's command line. */
static int parse(struct cli *cli, const char *line)
{
	char **argv;
	int argc = 1;
	char *copy, *save = NULL;

	*cli = (struct cli){ .arena = arena_create(1 << 16) };
	argv = arena_array(cli->arena, 64, sizeof(*argv));
	copy = arena_str(cli->arena, span_of(line));
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return cli_parse(cli, argc, argv);
}

static void commands_are_found_with_their_options_wherever_these_stand(void **state)
{
	static const char *const lines[] = {
		"user add alice@example.test --quota 2G --dir /x",
		"--dir /x user add --quota 2G alice@example.test",
		"--dir=/x user --format=table add alice@example.test --quota=2G",
		"user add --quota 2G --dir /x -- alice@example.test",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct cli cli;

		assert_int_equal(parse(&cli, lines[i]), 0);
		assert_string_equal(cli.group->name, "user");
		assert_string_equal(cli.command->name, "add");
		assert_int_equal(cli.args_n, 1);
		assert_string_equal(cli.args[0], "alice@example.test");
		assert_string_equal(cli_option(&cli, "--quota"), "2G");
		assert_string_equal(cli.dir, "/x");
		assert_null(cli_option(&cli, "--volume"));
		(void) arena_free(cli.arena);
	}
}

static void days_and_moments_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ "2026-11-26", 1795651200 }, { "2026-11-26 14:30", 1795703400 }, { "2026-11-26T14:30", 1795703400 },
		{ "2026-02-30", 0 },          { "2026-11-26 25:00", 0 },          { "26.11.2026", 0 },
		{ "2026-11-26x", 0 },         { "", 0 },
	};

	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t seconds = 0;

		assert_int_equal(date_parse(span_of(cases[i].text), &seconds, NULL),
		                 cases[i].seconds ? 0 : -POD_E_SYNTAX);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void a_command_line_that_is_none_says_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "usr", "unknown command usr" },
		{ "user", "a word is missing after user" },
		{ "user ad", "unknown command user ad" },
		{ "user add", "missing: ADDRESS" },
		{ "user add a@x b@x", "too much: b@x" },
		{ "user add a@x --quote 1", "unknown option --quote" },
		{ "user add a@x --quota", "needs a value: --quota" },
		{ "user add a@x --quota 1 --quota 2", "given twice: --quota" },
		{ "user set a@x --suspend=yes", "takes no value: --suspend" },
		{ "status --format yaml", "--format is table or json, not yaml" },
		{ "--quota 1 user add a@x", "unknown option --quota" },
		{ "alias add a@x", "missing: ADDRESS TARGET..." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cli cli;

		assert_int_equal(parse(&cli, cases[i].line), -POD_E_SYNTAX);
		assert_string_equal(cli.err.text, cases[i].text);
		(void) arena_free(cli.arena);
	}
}

static void help_needs_no_arguments(void **state)
{
	static const char *const lines[] = { "--help", "user --help", "user add -h", "-h group member-add" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct cli cli;

		assert_int_equal(parse(&cli, lines[i]), 0);
		assert_true(cli.help);
		(void) arena_free(cli.arena);
	}
}

static void every_command_says_what_it_is_and_its_options_hide_no_global_one(void **state)
{
	for (size_t i = 0; i < command_groups_n; i++) {
		const struct command_group *g = command_groups[i];

		assert_ptr_equal(command_group_find(g->name), g);
		assert_true(strlen(g->summary) > 10);
		for (size_t j = 0; j < g->n; j++) {
			const struct command *c = &g->commands[j];

			assert_ptr_equal(command_find(g, c->name), c);
			assert_true(strlen(c->summary) > 10);
			assert_true(c->args_min <= c->args_max);
			assert_non_null(c->run);
			for (const struct command_option *o = c->options; o && o->name; o++) {
				assert_memory_equal(o->name, "--", 2);
				assert_null(command_option_find(command_globals, o->name));
			}
		}
	}
}

static void exit_statuses_are_those_of_the_manual(void **state)
{
	static const struct {
		enum pod_error code;
		int status;
	} cases[] = {
		{ POD_E_NONE, 0 },   { POD_E_IO, 1 },          { POD_E_SYNTAX, 2 },  { POD_E_NOTFOUND, 3 },
		{ POD_E_EXISTS, 4 }, { POD_E_UNAVAILABLE, 5 }, { POD_E_TIMEOUT, 5 }, { POD_E_DENIED, 6 },
		{ POD_E_FULL, 7 },   { POD_E_QUOTA, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cli_exit_of((int) cases[i].code), cases[i].status);
		assert_int_equal(cli_exit_of(-(int) cases[i].code), cases[i].status);
	}
}

static void columns_line_up_whatever_the_script(void **state)
{
	static const char *const titles[] = { "NAME", "N", "X" };
	static const bool right[] = { false, true, false };
	static const char *const cells[] = {
		"Zo\xc3\xab", "7", "a", "\xe6\x9d\x8e\xe5\xb0\x8f", "123", NULL, "bad\x01\xff", "5", "c",
	};
	_cleanup_buf_ struct buf out = BUF_INIT;

	table_print(&out, titles, right, 3, cells, 3);
	assert_string_equal(buf_str(&out), "NAME     N  X\n"
	                                   "Zo\xc3\xab      7  a\n"
	                                   "\xe6\x9d\x8e\xe5\xb0\x8f   123  \n"
	                                   "bad??    5  c\n");
}

static void widths_are_those_of_a_terminal(void **state)
{
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* e and a combining accent */
	assert_int_equal(text_width("\xe6\x9d\x8e"), 2);
	assert_int_equal(text_width("\xff\xff"), 2);
}

static void sizes_have_units_of_1024(void **state)
{
	static const struct {
		const char *in;
		int r;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0, 0 },
		{ "none", 0, 0 },
		{ "500", 0, 500 },
		{ "1K", 0, 1024 },
		{ "2g", 0, 2ull << 30 },
		{ "1T", 0, 1ull << 40 },
		{ "", -POD_E_SYNTAX, 9 },
		{ "G", -POD_E_SYNTAX, 9 },
		{ "1.5G", -POD_E_SYNTAX, 9 },
		{ "-1", -POD_E_SYNTAX, 9 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -POD_E_SYNTAX, 9 },
		{ "99999999999T", -POD_E_SYNTAX, 9 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bytes = 9;

		assert_int_equal(size_parse(span_of(cases[i].in), &bytes, NULL), cases[i].r);
		assert_true(bytes == cases[i].bytes);
	}
}

static void passwords_are_long_readable_and_never_the_same(void **state)
{
	char a[PASSWORD_MADE_SIZE], b[PASSWORD_MADE_SIZE];

	password_make(a);
	password_make(b);
	assert_int_equal(strlen(a), 23);
	assert_int_equal(strspn(a, "abcdefghjkmnpqrstvwxyz23456789-"), 23);
	assert_true(a[5] == '-' && a[11] == '-' && a[17] == '-');
	assert_string_not_equal(a, b);
}

static int setup(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_found_with_their_options_wherever_these_stand),
		cmocka_unit_test(days_and_moments_are_read_as_people_write_them),
		cmocka_unit_test(a_command_line_that_is_none_says_what_is_wrong),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(every_command_says_what_it_is_and_its_options_hide_no_global_one),
		cmocka_unit_test(exit_statuses_are_those_of_the_manual),
		cmocka_unit_test(columns_line_up_whatever_the_script),
		cmocka_unit_test(widths_are_those_of_a_terminal),
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(passwords_are_long_readable_and_never_the_same),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
