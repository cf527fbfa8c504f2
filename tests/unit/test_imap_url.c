#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "mime/imap_url.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static void urls_are_read(void **state)
{
	static const struct {
		const char *url;
		int r;
		/* "USER HOST PORT MAILBOX VALIDITY UID EXPIRES ACCESS ACCESS-USER RUMP-BYTES TOKEN-BYTES" */
		const char *is;
	} cases[] = {
		{ "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred", -POD_E_UNSUPPORTED,
		  "" },
		{ "imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred", 0,
		  "joe example.com 143 INBOX 0 20 0 0 fred 56 0" },
		{ "imap://joe@example.com/INBOX/;uid=20;urlauth=submit+fred:internal:" TOKEN, 0,
		  "joe example.com 143 INBOX 0 20 0 0 fred 56 16" },
		{ "IMAP://a%40b@h:1143/a%2Fb%20c;UIDVALIDITY=7/"
		  ";UID=4294967295;EXPIRE=2026-11-26T12:00:00Z;URLAUTH=user+x%40y",
		  0, "a@b h 1143 a/b c 7 4294967295 1795694400 1 x@y 106 0" },
		{ "imap://a;AUTH=*@h/b/;UID=1;EXPIRE=2026-11-26T13:00:00.25+01:00;URLAUTH=anonymous", 0,
		  "a h 143 b 0 1 1795694400 3  80 0" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser", 0, "a h 143 b 0 1 0 2  36 0" },
		{ "imap://h/b/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@/b/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@b@h/b/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h:0/b/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h//;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=0;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=4294967296;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b;UIDVALIDITY=/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b;X=1/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b%0d%0a/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b%0/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;EXPIRE=tomorrow;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;EXPIRE=2026-11-26T12:00:00;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=submit+", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser+x", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=everybody", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser:other:" TOKEN, -POD_E_UNSUPPORTED, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser:internal:0123", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser:internal:" TOKEN "0", -POD_E_SYNTAX, "" },
		{ "imap://a@h/b/;UID=1;URLAUTH=authuser:internal:" TOKEN "xx", -POD_E_SYNTAX, "" },
		{ "http://a@h/b/;UID=1;URLAUTH=authuser", -POD_E_SYNTAX, "" },
		{ "", -POD_E_SYNTAX, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct imap_url u = { 0 };
		char is[400] = "";

		print_message("# %s\n", cases[i].url);
		assert_int_equal(imap_url_parse(span_of(cases[i].url), a, &u), cases[i].r);
		if (cases[i].r == 0)
			(void) snprintf(is, sizeof(is), "%s %s %u %s %u %u %lld %d %s %zu %zu", u.user,
			                u.host, u.port, u.mailbox, u.uidvalidity, u.uid,
			                (long long) u.expires_s, (int) u.access, u.access_user, u.rump.len,
			                u.token.len);
		assert_string_equal(is, cases[i].is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
