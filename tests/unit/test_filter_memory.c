/* What podfilter remembers: the arithmetic of reputation, greylisting, throttling, and the memory below them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "conf/filter.h"
#include "mta/podfilter/dns_lists.h"
#include "mta/podfilter/greylist.h"
#include "mta/podfilter/memory.h"
#include "mta/podfilter/reputation.h"
#include "mta/podfilter/sender.h"
#include "mta/podfilter/source.h"
#include "mta/podfilter/throttle.h"

#define DAY 86400
#define NOW 1800000000

static struct net_addr addr(const char *host)
{
	struct net_addr a;
	char text[80];

	(void) snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:25" : "%s:25", host);
	assert_int_equal(net_addr_parse(span_of(text), &a, NULL), 0);
	return a;
}

/* ---- reputation ---- */

static void counts_halve_in_a_half_life(void **state)
{
	struct reputation r = { .at_s = NOW };

	reputation_add(&r, REPUTATION_GOOD, 8);
	reputation_decay(&r, NOW + 14 * DAY, 14 * DAY);
	assert_true(fabs(r.counts[REPUTATION_GOOD] - 4) < 1e-9);
	reputation_decay(&r, NOW + 28 * DAY, 14 * DAY);
	assert_true(fabs(r.counts[REPUTATION_GOOD] - 2) < 1e-9);
	reputation_decay(&r, NOW, 14 * DAY); /* a clock set back */
	assert_true(fabs(r.counts[REPUTATION_GOOD] - 2) < 1e-9);
	assert_int_equal(r.at_s, NOW + 28 * DAY);
	reputation_decay(&r, NOW + 2000 * DAY, 14 * DAY);
	assert_true(r.counts[REPUTATION_GOOD] == 0);
}

static void a_rating_needs_evidence(void **state)
{
	struct reputation r = { .at_s = NOW };

	assert_true(reputation_rating(&r) == 0);
	reputation_add(&r, REPUTATION_SPAM, 1);
	assert_true(reputation_rating(&r) < 0 && reputation_rating(&r) > -0.2);
	reputation_add(&r, REPUTATION_SPAM, 99);
	assert_true(reputation_rating(&r) < -0.9);
	reputation_add(&r, REPUTATION_GOOD, 100);
	assert_true(fabs(reputation_rating(&r)) < 1e-9);
	reputation_add(&r, REPUTATION_UNKNOWN, 100);
	assert_true(reputation_rating(&r) < -0.1);
}

static void a_network_and_a_claimed_name_count_less_than_an_address(void **state)
{
	static const enum reputation_kind kinds[] = { REPUTATION_ADDRESS, REPUTATION_NETWORK,
		                                      REPUTATION_HELO };
	struct reputation records[3] = { { .at_s = NOW }, { .at_s = NOW }, { .at_s = NOW } }, sum;

	records[0].counts[REPUTATION_GOOD] = 10;
	records[1].counts[REPUTATION_SPAM] = 10;
	records[2].counts[REPUTATION_SPAM] = 10;
	sum = reputation_combine(kinds, records, 3);
	assert_true(reputation_rating(&sum) > 0.2);
	assert_true(sum.counts[REPUTATION_SPAM] < 5);
}

static void records_survive_being_packed(void **state)
{
	struct reputation r = { { 1.5, 2.25, 1e12, 0 }, NOW }, back;
	uint8_t bytes[REPUTATION_BYTES];

	reputation_pack(&r, bytes);
	reputation_unpack(span_make(bytes, sizeof(bytes)), &back);
	assert_int_equal(back.at_s, NOW);
	assert_true(back.counts[0] == 1.5 && back.counts[1] == 2.25 && back.counts[2] > 4e6);
	bytes[0] = 99;
	reputation_unpack(span_make(bytes, sizeof(bytes)), &back);
	assert_int_equal(back.at_s, 0);
	reputation_unpack(SPAN_NONE, &back);
	assert_int_equal(back.at_s, 0);
}

static void keys_are_of_the_networks_that_belong_to_one_holder(void **state)
{
	static const struct {
		const char *host, *other, *address, *network;
	} cases[] = {
		{ "192.0.2.77", "192.0.2.99", "192.0.2.77", "192.0.2.0/24" },
		{ "::ffff:192.0.2.77", "192.0.2.99", "192.0.2.77", "192.0.2.0/24" },
		{ "2001:db8:1:2:3::9", "2001:db8:1:3::9", "2001:db8:1:2::/64", "2001:db8:1::/48" },
	};
	char text[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_addr a = addr(cases[i].host), b = addr(cases[i].other);
		struct key k, other;

		assert_true(reputation_address_key(REPUTATION_ADDRESS, &a, &k));
		assert_int_equal(reputation_key_text(key_span(&k), text, sizeof(text)), REPUTATION_ADDRESS);
		assert_string_equal(text, cases[i].address);
		assert_true(reputation_address_key(REPUTATION_NETWORK, &a, &k));
		assert_true(reputation_address_key(REPUTATION_NETWORK, &b, &other));
		assert_true(span_eq(key_span(&k), key_span(&other)));
		(void) reputation_key_text(key_span(&k), text, sizeof(text));
		assert_string_equal(text, cases[i].network);
	}
}

static void names_are_one_whatever_their_case(void **state)
{
	struct key a, b;
	char text[300];

	assert_true(reputation_name_key(REPUTATION_DOMAIN, SPAN_LIT("Example.ORG."), &a));
	assert_true(reputation_name_key(REPUTATION_DOMAIN, SPAN_LIT("example.org"), &b));
	assert_true(span_eq(key_span(&a), key_span(&b)));
	assert_int_equal(reputation_key_text(key_span(&a), text, sizeof(text)), REPUTATION_DOMAIN);
	assert_string_equal(text, "example.org");
	assert_false(reputation_name_key(REPUTATION_DOMAIN, SPAN_LIT("."), &a));
	assert_false(reputation_name_key(REPUTATION_DOMAIN, span_make(text, 300), &a));
}

/* ---- greylisting ---- */

static void greylisting_lets_in_who_comes_again_in_time(void **state)
{
	static const struct greylist_times t = { 300, 2 * DAY, 36 * DAY };
	static const struct {
		int64_t after_s, wait_s;
	} tries[] = {
		{ 0, 300 },         { 10, 290 },     { 299, 1 },
		{ 300, 0 },         { 20 * DAY, 0 }, /* a message each 20 days keeps him in */
		{ 40 * DAY, 0 },    { 76 * DAY, 0 }, { 113 * DAY, 300 }, /* too long ago */
		{ 116 * DAY, 300 },                                      /* he did not come in the window */
		{ 117 * DAY, 0 },
	};
	uint8_t record[GREYLIST_BYTES];
	struct span old = SPAN_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		assert_int_equal(greylist_try(old, &t, NOW + tries[i].after_s, record), tries[i].wait_s);
		old = span_make(record, sizeof(record));
	}
	assert_false(greylist_is_over(old, &t, NOW + 150 * DAY));
	assert_true(greylist_is_over(old, &t, NOW + 154 * DAY));
}

static void greylisting_knows_three_things_apart(void **state)
{
	struct key a, b;

	greylist_key(SPAN_LIT("n1"), SPAN_LIT("A@x"), SPAN_LIT("b@y"), &a);
	greylist_key(SPAN_LIT("n1"), SPAN_LIT("a@X"), SPAN_LIT("B@y"), &b);
	assert_true(span_eq(key_span(&a), key_span(&b)));
	greylist_key(SPAN_LIT("n1"), SPAN_LIT("a@xb"), SPAN_LIT("@y"), &b);
	assert_false(span_eq(key_span(&a), key_span(&b)));
	greylist_key(SPAN_LIT("n2"), SPAN_LIT("a@x"), SPAN_LIT("b@y"), &b);
	assert_false(span_eq(key_span(&a), key_span(&b)));
}

/* ---- throttling ---- */

static struct key key_of(const char *s)
{
	struct key k = { .len = 0 };

	assert_int_equal(key_bytes(&k, span_of(s)), 0);
	return k;
}

static void connections_are_counted_and_paced(void **state)
{
	static const struct throttle_limits limits = { 2, 6 };
	struct throttle *t = throttle_create(10);
	struct key a = key_of("a"), b = key_of("b");

	assert_int_equal(throttle_enter(t, &a, &limits, 0), THROTTLE_PASS);
	assert_int_equal(throttle_enter(t, &a, &limits, 0), THROTTLE_PASS);
	assert_int_equal(throttle_enter(t, &a, &limits, 0), THROTTLE_TOO_MANY);
	assert_int_equal(throttle_enter(t, &b, &limits, 0), THROTTLE_PASS);
	for (int i = 0; i < 4; i++) {
		throttle_leave(t, &a);
		assert_int_equal(throttle_enter(t, &a, &limits, 0), THROTTLE_PASS);
	}
	throttle_leave(t, &a);
	assert_int_equal(throttle_enter(t, &a, &limits, 9999), THROTTLE_TOO_FAST);
	assert_int_equal(throttle_enter(t, &a, &limits, 10000), THROTTLE_PASS); /* one each ten seconds */
	(void) throttle_free(t);
}

static void a_flood_of_clients_is_no_flood_of_memory(void **state)
{
	static const struct throttle_limits limits = { 100, 100 };
	struct throttle *t = throttle_create(50);
	char name[32];

	for (int i = 0; i < 1000; i++) {
		struct key k;

		(void) snprintf(name, sizeof(name), "client%d", i);
		k = key_of(name);
		assert_int_equal(throttle_enter(t, &k, &limits, (uint64_t) i), THROTTLE_PASS);
		if (i % 2)
			throttle_leave(t, &k);
		assert_true(throttle_clients(t) <= 50);
	}
	(void) throttle_free(t);
}

/* ---- memory ---- */

struct place {
	char top[40], dir[60];
	struct memory *m;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	(void) snprintf(p->top, sizeof(p->top), "/tmp/podmail-filter-XXXXXX");
	assert_non_null(mkdtemp(p->top));
	(void) snprintf(p->dir, sizeof(p->dir), "%s/memory", p->top);
	assert_int_equal(memory_open(p->dir, &p->m, NULL, NULL), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[80];

	(void) memory_close(p->m);
	(void) snprintf(command, sizeof(command), "rm -rf %s", p->top);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void assert_value(struct memory *m, const char *key, const char *value)
{
	struct key k = key_of(key);
	uint8_t got[MEMORY_VALUE_MAX];
	int len = memory_get(m, MEMORY_META, &k, got);

	assert_int_equal(len, strlen(value));
	assert_memory_equal(got, value, strlen(value));
}

static void changes_are_seen_at_once_and_are_there_after_a_restart(void **state)
{
	struct place *p = *state;
	struct key a = key_of("a"), b = key_of("b");

	assert_value(p->m, "a", "");
	assert_int_equal(memory_put(p->m, MEMORY_META, &a, SPAN_LIT("one")), 0);
	assert_value(p->m, "a", "one");
	assert_int_equal(memory_flush(p->m, NULL), 0);
	assert_int_equal(memory_put(p->m, MEMORY_META, &b, SPAN_LIT("two")), 0);
	assert_int_equal(memory_put(p->m, MEMORY_META, &a, SPAN_NONE), 0);
	assert_value(p->m, "a", "");
	p->m = memory_close(p->m);
	assert_int_equal(memory_open(p->dir, &p->m, NULL, NULL), 0);
	assert_value(p->m, "a", "");
	assert_value(p->m, "b", "two");
	assert_int_equal(memory_count(p->m, MEMORY_META), 1);
	assert_int_equal(memory_count(p->m, MEMORY_GREYLIST), 0);
}

static void a_damaged_memory_is_put_aside_and_begun_anew(void **state)
{
	struct place *p = *state;
	char path[80];
	bool renewed = false;
	FILE *f;

	p->m = memory_close(p->m);
	(void) snprintf(path, sizeof(path), "%s/data.mdb", p->dir);
	f = fopen(path, "r+");
	assert_non_null(f);
	for (int i = 0; i < 8192; i++)
		(void) fputc('x', f);
	(void) fclose(f);
	assert_int_equal(memory_open(p->dir, &p->m, &renewed, NULL), 0);
	assert_true(renewed);
	assert_value(p->m, "a", "");
}

static size_t count_up(void *arg, struct span old, uint8_t *value)
{
	value[0] = 0;
	if (old.len)
		memcpy(value, old.p, 4);
	else
		memset(value, 0, 4);
	for (int i = 3; i >= 0 && ++value[i] == 0; i--)
		;
	return 4;
}

static void *count_many(void *arg)
{
	struct place *p = arg;
	struct key k = key_of("n");

	for (int i = 0; i < 2000; i++)
		assert_int_equal(memory_change(p->m, MEMORY_META, &k, count_up, NULL), 0);
	return NULL;
}

static void no_change_is_lost_between_threads_and_flushes(void **state)
{
	struct place *p = *state;
	struct key k = key_of("n");
	uint8_t value[MEMORY_VALUE_MAX];
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, p), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(memory_flush(p->m, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		(void) pthread_join(threads[i], NULL);
	assert_int_equal(memory_get(p->m, MEMORY_META, &k, value), 4);
	assert_int_equal(value[2] << 8 | value[3], 8000);
}

/* ---- senders ---- */

static void reputation_is_bounded_and_keeps_those_it_knows_best(void **state)
{
	struct place *p = *state;
	struct sender who = { .n = 1, .kinds = { REPUTATION_DOMAIN } };
	struct key from = { .len = 0 };
	char name[40];

	for (int i = 0; i < 3000; i++) {
		(void) snprintf(name, sizeof(name), "d%d.test", i);
		assert_true(reputation_name_key(REPUTATION_DOMAIN, span_of(name), &who.keys[0]));
		assert_int_equal(sender_note(p->m, &who, REPUTATION_GOOD, i < 10 ? 500 : 1, NOW, DAY), 0);
	}
	assert_int_equal(memory_flush(p->m, NULL), 0);
	for (int i = 0; i < 40; i++) {
		assert_true(sender_prune(p->m, &from, 1000, 1000, NOW, DAY, NULL) >= 0);
		assert_int_equal(memory_flush(p->m, NULL), 0);
	}
	assert_true(memory_count(p->m, MEMORY_REPUTATION) <= 1000);
	assert_true(reputation_name_key(REPUTATION_DOMAIN, SPAN_LIT("d3.test"), &who.keys[0]));
	assert_true(sender_look_up(p->m, &who, NOW, DAY).rating > 0.9);
	for (int i = 0; i < 4; i++) { /* and all of it fades */
		assert_true(sender_prune(p->m, &from, 1000, 1000, NOW + 100 * DAY, DAY, NULL) >= 0);
		assert_int_equal(memory_flush(p->m, NULL), 0);
	}
	assert_int_equal(memory_count(p->m, MEMORY_REPUTATION), 0);
}

/* ---- who sent a message, in the message ---- */

static void a_source_is_read_back_and_no_other_is_believed(void **state)
{
	static const uint8_t key[SOURCE_KEY_SIZE] = { 1 }, other_key[SOURCE_KEY_SIZE] = { 2 };
	struct session s = { .client_text = "2001:db8::1", .helo = "he;lo" };
	const struct authentication auth = { .dkim_domain = "example.org", .spf_domain = "mail.example" };
	_cleanup_buf_ struct buf value = BUF_INIT, header = BUF_INIT, folded = BUF_INIT;
	struct sender who, direct = { 0 };
	char *at;

	s.client = addr("2001:db8::1");
	source_write(&s, &auth, NOW, key, &value);
	buf_printf(&header, "Subject: x\r\n" SOURCE_FIELD ": %s\r\n\r\n", buf_str(&value));
	assert_int_equal(source_read(buf_span(&header), key, &who), 0);
	sender_of(&s, &auth, &direct);
	assert_int_equal(who.n, 4);
	for (size_t i = 0; i < who.n; i++) {
		assert_int_equal(who.kinds[i], direct.kinds[i]);
		assert_true(span_eq(key_span(&who.keys[i]), key_span(&direct.keys[i])));
	}
	assert_int_equal(source_read(buf_span(&header), other_key, &who), -POD_E_DENIED);
	assert_int_equal(source_read(SPAN_LIT("Subject: x\r\n\r\n"), key, &who), -POD_E_NOTFOUND);
	assert_int_equal(source_read(SPAN_LIT(SOURCE_FIELD ": v1; address=192.0.2.1\r\n\r\n"), key, &who), -POD_E_DENIED);
	at = strstr((char *) header.p, "example.org");
	assert_non_null(at);
	*at = 'f'; /* somebody else is to be blamed */
	assert_int_equal(source_read(buf_span(&header), key, &who), -POD_E_DENIED);
	buf_clear(&value);
	source_write(&s, &(struct authentication){ 0 }, NOW, key, &value); /* what HELO says is no name */
	assert_int_equal(span_find(buf_span(&value), SPAN_LIT("helo")), SIZE_MAX);
	buf_printf(&folded, SOURCE_FIELD ":\r\n %s\r\n\r\n", buf_str(&value));
	assert_int_equal(source_read(buf_span(&folded), key, &who), 0);
	assert_int_equal(who.n, 2);
}

/* ---- options ---- */

static void weights_and_lists_are_read_as_written(void **state)
{
	static const struct {
		const char *text;
		int r, hundredths;
	} weights[] = {
		{ "DNSBL 4.5", 0, 450 },       { "SPF_PASS -1", 0, -100 },    { "X 0.05", 0, 5 },
		{ "X", -POD_E_SYNTAX, 0 },     { "x 1", -POD_E_SYNTAX, 0 },   { "X 1.234", -POD_E_SYNTAX, 0 },
		{ "X 1 2", -POD_E_SYNTAX, 0 }, { "X --1", -POD_E_SYNTAX, 0 }, { "X 1001", -POD_E_SYNTAX, 0 },
	};
	static const struct {
		const char *text;
		int r;
		const char *counts, *counts_not;
	} lists[] = {
		{ "bl.test 4", 0, "127.0.0.2", "192.0.2.1" },
		{ "bl.test 4", 0, "127.9.9.9", "127.255.255.254" },
		{ "bl.test 4 127.0.0.4", 0, "127.0.0.4", "127.0.0.5" },
		{ "bl.test 4 127.0.0.2-11", 0, "127.0.0.11", "127.0.0.12" },
		{ "bl.test 4 127.0.1.0/24", 0, "127.0.1.77", "127.0.0.77" },
		{ "bl.test -2.5 127.0.0.0&6", 0, "127.0.0.4", "127.0.0.9" },
		{ "bl.test", -POD_E_SYNTAX, NULL, NULL },
		{ "bl.test 4 127.0.0", -POD_E_SYNTAX, NULL, NULL },
		{ "bl.test 4 127.0.0.9-2", -POD_E_SYNTAX, NULL, NULL },
		{ "bl.test 4 127.0.0.0/33", -POD_E_SYNTAX, NULL, NULL },
		{ "bl.test 4 127.0.0.0&0", -POD_E_SYNTAX, NULL, NULL },
		{ "bl.test 4 127.0.0.2 more", -POD_E_SYNTAX, NULL, NULL },
		{ "bl_.. 4", -POD_E_SYNTAX, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(weights); i++) {
		struct filter_weight w = { 0 };

		assert_int_equal(filter_weight_parse(span_of(weights[i].text), &w, NULL), weights[i].r);
		assert_int_equal(w.hundredths, weights[i].hundredths);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct filter_dns_list l;
		struct net_addr a;

		assert_int_equal(filter_dns_list_parse(span_of(lists[i].text), &l, NULL), lists[i].r);
		if (!lists[i].counts)
			continue;
		a = addr(lists[i].counts);
		assert_true(dns_list_counts(&l, &a));
		a = addr(lists[i].counts_not);
		assert_false(dns_list_counts(&l, &a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_halve_in_a_half_life),
		cmocka_unit_test(a_rating_needs_evidence),
		cmocka_unit_test(a_network_and_a_claimed_name_count_less_than_an_address),
		cmocka_unit_test(records_survive_being_packed),
		cmocka_unit_test(keys_are_of_the_networks_that_belong_to_one_holder),
		cmocka_unit_test(names_are_one_whatever_their_case),
		cmocka_unit_test(greylisting_lets_in_who_comes_again_in_time),
		cmocka_unit_test(greylisting_knows_three_things_apart),
		cmocka_unit_test(connections_are_counted_and_paced),
		cmocka_unit_test(a_flood_of_clients_is_no_flood_of_memory),
		cmocka_unit_test_setup_teardown(changes_are_seen_at_once_and_are_there_after_a_restart, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_damaged_memory_is_put_aside_and_begun_anew, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(no_change_is_lost_between_threads_and_flushes, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(reputation_is_bounded_and_keeps_those_it_knows_best, setup,
		                                teardown),
		cmocka_unit_test(a_source_is_read_back_and_no_other_is_believed),
		cmocka_unit_test(weights_and_lists_are_read_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
