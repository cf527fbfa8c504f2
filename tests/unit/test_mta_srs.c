/* Rewritten senders: there and back, and what is not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/srs/srs.h"

#define DAY 86400
#define NOW (20000ll * DAY)

static struct srs *make(const char *secrets)
{
	struct srs *s = NULL;

	assert_int_equal(srs_create(span_of(secrets), &s, NULL), 0);
	return s;
}

static struct address address_of(const char *local, const char *domain)
{
	return (struct address){ span_of(local), span_of(domain) };
}

static void assert_address(const struct address *a, const char *local, const char *domain)
{
	assert_true(span_eq(a->local, span_of(local)));
	assert_true(span_eq(a->domain, span_of(domain)));
}

static void a_bounce_finds_the_one_who_sent_it(void **state)
{
	static const struct {
		const char *local, *domain;
	} senders[] = { { "ann", "example.org" }, { "Ann.B", "EXAMPLE.org" },   { "a=b=c", "example.org" },
		        { "a b", "example.org" }, { "\xc3\xa4", "ex.test" },     { "SRS", "ex.test" },
		        { "srs2=x", "ex.test" },  { "x", "a-b.c-d.example.org" } };
	struct srs *s = make("0123456789abcdef");

	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct address sender = address_of(senders[i].local, senders[i].domain), there, back;

		assert_false(srs_is(&sender));
		assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
		assert_true(srs_is(&there));
		assert_true(span_eq(there.domain, SPAN_LIT("ours.test")));
		assert_int_equal(srs_reverse(s, a, &there, NOW, &back, NULL), 0);
		assert_address(&back, senders[i].local, senders[i].domain);
	}
	(void) srs_free(s);
}

static void a_second_forwarder_leads_back_to_the_first(void **state)
{
	struct srs *first = make("0123456789abcdef"), *second = make("fedcba9876543210"), *third = make("third-third-third");
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct address sender = address_of("ann", "example.org"), at1, at2, at3, back;

	assert_int_equal(srs_forward(first, a, &sender, SPAN_LIT("one.test"), NOW, &at1, NULL), 0);
	assert_int_equal(srs_forward(second, a, &at1, SPAN_LIT("two.test"), NOW, &at2, NULL), 0);
	assert_int_equal(srs_forward(third, a, &at2, SPAN_LIT("three.test"), NOW, &at3, NULL), 0);
	assert_true(at3.local.len <= at2.local.len); /* it does not grow with every forwarder */
	/* The third's bounce goes to the first at once, who knows who it was. */
	assert_int_equal(srs_reverse(third, a, &at3, NOW, &back, NULL), 0);
	assert_true(span_eq(back.local, at1.local));
	assert_true(span_eq(back.domain, SPAN_LIT("one.test")));
	assert_int_equal(srs_reverse(first, a, &back, NOW, &back, NULL), 0);
	assert_address(&back, "ann", "example.org");
	(void) srs_free(first);
	(void) srs_free(second);
	(void) srs_free(third);
}

static void case_is_lost_on_the_way_and_does_not_matter(void **state)
{
	struct srs *s = make("0123456789abcdef");
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct address sender = address_of("Ann", "example.org"), there, back;
	char lower[256];

	assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	for (size_t i = 0; i < there.local.len; i++)
		lower[i] = (char) ascii_lower(there.local.p[i]);
	there.local = span_make(lower, there.local.len);
	assert_int_equal(srs_reverse(s, a, &there, NOW, &back, NULL), 0);
	assert_address(&back, "ann", "example.org");
	(void) srs_free(s);
}

static void what_we_did_not_make_is_not_taken(void **state)
{
	static const struct {
		const char *local;
		int r;
	} cases[] = {
		{ "ann", -POD_E_SYNTAX },
		{ "SRS0", -POD_E_SYNTAX },
		{ "SRS0=", -POD_E_SYNTAX },
		{ "SRS0=aaaaaaaa", -POD_E_SYNTAX },
		{ "SRS0=aaaaaaaa=aa=example.org", -POD_E_SYNTAX },
		{ "SRS0=aaaaaaaa=aa=example.org=", -POD_E_SYNTAX },
		{ "SRS0=aaaaaaaa=a1=example.org=ann", -POD_E_SYNTAX },
		{ "SRS0=aaaaaaaa=aa=example.org=ann", -POD_E_DENIED },
		{ "SRS0==aa=example.org=ann", -POD_E_DENIED },
		{ "SRS0=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=aa=example.org=ann", -POD_E_DENIED },
		{ "SRS1=", -POD_E_SYNTAX },
		{ "SRS1=aaaaaaaa=example.org", -POD_E_SYNTAX },
		{ "SRS1=aaaaaaaa=example.org=x", -POD_E_SYNTAX },
		{ "SRS1=aaaaaaaa=example.org==hash=aa=b.test=ann", -POD_E_DENIED },
	};
	struct srs *s = make("0123456789abcdef");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct address given = address_of(cases[i].local, "ours.test"), back;

		assert_int_equal(srs_reverse(s, a, &given, NOW, &back, NULL), cases[i].r);
	}
	(void) srs_free(s);
}

static void a_changed_letter_is_noticed(void **state)
{
	struct srs *s = make("0123456789abcdef");
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct address sender = address_of("ann", "example.org"), there, back;

	assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	for (size_t i = 5; i < there.local.len; i++) {
		uint8_t changed[256];
		struct address other = { span_make(changed, there.local.len), there.domain };

		memcpy(changed, there.local.p, there.local.len);
		changed[i] = changed[i] == 'x' ? 'y' : 'x';
		assert_true(srs_reverse(s, a, &other, NOW, &back, NULL) < 0);
	}
	(void) srs_free(s);
}

static void its_time_is_over_after_three_weeks(void **state)
{
	struct srs *s = make("0123456789abcdef");
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct address sender = address_of("ann", "example.org"), there, back;

	assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	for (int64_t day = -1; day <= SRS_DAYS_MAX; day++)
		assert_int_equal(srs_reverse(s, a, &there, NOW + day * DAY, &back, NULL), 0);
	assert_int_equal(srs_reverse(s, a, &there, NOW + (SRS_DAYS_MAX + 1) * DAY, &back, NULL), -POD_E_TIMEOUT);
	assert_int_equal(srs_reverse(s, a, &there, NOW - 2 * DAY, &back, NULL), -POD_E_TIMEOUT);
	(void) srs_free(s);
}

static void an_older_secret_still_counts(void **state)
{
	struct srs *before = make("0123456789abcdef\n"), *after = make("a new secret, longer\n\n0123456789abcdef\n"), *s = NULL;
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct address sender = address_of("ann", "example.org"), there, back;

	assert_int_equal(srs_forward(before, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	assert_int_equal(srs_reverse(after, a, &there, NOW, &back, NULL), 0);
	assert_int_equal(srs_forward(after, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	assert_int_equal(srs_reverse(before, a, &there, NOW, &back, NULL), -POD_E_DENIED);
	assert_int_equal(srs_create(SPAN_LIT("short\n"), &s, NULL), -POD_E_CONFIG);
	assert_int_equal(srs_create(SPAN_LIT("\n \n"), &s, NULL), -POD_E_CONFIG);
	(void) srs_free(before);
	(void) srs_free(after);
}

static void what_would_be_too_long_is_refused(void **state)
{
	struct srs *s = make("0123456789abcdef");
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	char domain[241];
	struct address sender, there;

	memset(domain, 'd', sizeof(domain) - 1);
	domain[sizeof(domain) - 1] = '\0';
	sender = address_of("ann", domain);
	assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), -POD_E_LIMIT);
	(void) srs_free(s);
}

static void the_file_is_made_once_and_for_us_alone(void **state)
{
	char dir[] = "/tmp/podmail-srs-XXXXXX", path[64];
	struct srs *s = NULL, *again = NULL;
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct address sender = address_of("ann", "example.org"), there, back;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	(void) snprintf(path, sizeof(path), "%s/secret", dir);
	assert_int_equal(srs_open(path, &s, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(srs_open(path, &again, NULL), 0);
	assert_int_equal(srs_forward(s, a, &sender, SPAN_LIT("ours.test"), NOW, &there, NULL), 0);
	assert_int_equal(srs_reverse(again, a, &there, NOW, &back, NULL), 0);
	(void) srs_free(s);
	(void) srs_free(again);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bounce_finds_the_one_who_sent_it),
		cmocka_unit_test(a_second_forwarder_leads_back_to_the_first),
		cmocka_unit_test(case_is_lost_on_the_way_and_does_not_matter),
		cmocka_unit_test(what_we_did_not_make_is_not_taken),
		cmocka_unit_test(a_changed_letter_is_noticed),
		cmocka_unit_test(its_time_is_over_after_three_weeks),
		cmocka_unit_test(an_older_secret_still_counts),
		cmocka_unit_test(what_would_be_too_long_is_refused),
		cmocka_unit_test(the_file_is_made_once_and_for_us_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
