/* Which messages go to Junk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/deliver/junk.h"

static void what_a_filter_marked_goes_to_junk_whether_in_memory_or_in_a_file(void **state)
{
	static const struct {
		const char *text, *folder;
	} cases[] = {
		{ "X-Spam: yes\r\nSubject: x\r\n\r\nbody", "Junk" },
		{ "Received: a\r\n\tb\r\nx-spam:  YES \r\n\r\nbody", "Junk" },
		{ "X-Spam: no\r\n\r\nbody", "" },
		{ "X-Spam: no\r\nX-Spam: yes\r\n\r\nbody", "" }, /* the first, which is the filter's */
		{ "X-Spam-Status: yes\r\n\r\nbody", "" },
		{ "Subject: x\r\n\r\nX-Spam: yes\r\n", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct deliver_message m = { .fd = -1,
			                     .blob = span_of(cases[i].text),
			                     .size = strlen(cases[i].text) };
		FILE *f = tmpfile();

		assert_string_equal(junk_folder_of(&m), cases[i].folder);
		assert_non_null(f);
		(void) fputs(cases[i].text, f);
		(void) fflush(f);
		m = (struct deliver_message){ .fd = fileno(f), .size = m.size };
		assert_string_equal(junk_folder_of(&m), cases[i].folder);
		(void) fclose(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_filter_marked_goes_to_junk_whether_in_memory_or_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
