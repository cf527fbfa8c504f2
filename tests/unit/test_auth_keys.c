#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/support/auth_fixture.h"

#define NOW 1764115200 /* 2025-11-26 */
#define DAY 86400

static struct key_list read_list(struct auth_fixture *f, const char *domain)
{
	struct key_list list;
	struct err err = { 0 };

	if (keys_read(f->keys, f->a, domain, &list, &err) < 0)
		fail_msg("%s", err_text(&err));
	return list;
}

static struct key_info create(struct auth_fixture *f, const char *domain, enum key_type type)
{
	struct key_info info;
	struct err err = { 0 };

	if (keys_create(f->keys, f->a, domain, type, 1024, NOW, &info, &err) < 0)
		fail_msg("%s", err_text(&err));
	return info;
}

static void a_key_is_named_by_day_and_type_and_is_ours_alone(void **state)
{
	struct auth_fixture *f = *state;
	char path[160];
	struct stat st;

	assert_string_equal(create(f, "A.Test", KEY_RSA).selector, "20251126r");
	assert_string_equal(create(f, "a.test", KEY_RSA).selector, "20251126r2");
	assert_string_equal(create(f, "a.test", KEY_ED25519).selector, "20251126e");
	assert_int_equal(read_list(f, "a.test").n, 3);
	(void) snprintf(path, sizeof(path), "%s/a.test/20251126r.pem", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void) snprintf(path, sizeof(path), "%s/a.test", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void an_active_key_retires_when_another_of_its_type_takes_over(void **state)
{
	struct auth_fixture *f = *state;
	struct key_info first = create(f, "a.test", KEY_RSA), second = create(f, "a.test", KEY_RSA);
	struct key_info other = create(f, "a.test", KEY_ED25519);
	struct key_list list;
	struct err err = { 0 };

	assert_int_equal(keys_activate(f->keys, f->a, "a.test", first.selector, NOW + 1, &err), 0);
	assert_int_equal(keys_activate(f->keys, f->a, "a.test", other.selector, NOW + 1, &err), 0);
	assert_int_equal(keys_activate(f->keys, f->a, "a.test", first.selector, NOW + 2, &err),
	                 -POD_E_EXISTS);
	assert_int_equal(keys_activate(f->keys, f->a, "a.test", second.selector, NOW + 2, &err), 0);
	list = read_list(f, "a.test");
	assert_int_equal(keys_find(&list, first.selector)->state, KEY_RETIRED);
	assert_int_equal(keys_find(&list, first.selector)->retired_s, NOW + 2);
	assert_int_equal(keys_find(&list, second.selector)->state, KEY_ACTIVE);
	assert_int_equal(keys_find(&list, other.selector)->state, KEY_ACTIVE);
	assert_int_equal(keys_activate(f->keys, f->a, "a.test", "nothing", NOW, &err), -POD_E_NOTFOUND);
	assert_int_equal(keys_remove(f->keys, f->a, "a.test", first.selector, &err), 0);
	list = read_list(f, "a.test");
	assert_null(keys_find(&list, first.selector));
	assert_int_equal(list.n, 2);
}

static void what_is_no_domain_makes_no_folder(void **state)
{
	static const char *const names[] = { "",        ".",    "..",  "../x",         "a/b",
		                             ".hidden", "a..b", "a b", "\xc3\xbc.test" };
	struct auth_fixture *f = *state;
	struct key_info info;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(keys_create(f->keys, f->a, names[i], KEY_ED25519, 0, NOW, &info, &err),
		                 -POD_E_SYNTAX);
}

static void keys_that_are_too_weak_or_too_many_are_not_made(void **state)
{
	struct auth_fixture *f = *state;
	struct key_info info;
	struct err err = { 0 };

	assert_int_equal(keys_create(f->keys, f->a, "a.test", KEY_RSA, 512, NOW, &info, &err), -POD_E_SYNTAX);
	for (int i = 0; i < KEYS_MAX; i++)
		(void) create(f, "a.test", KEY_ED25519);
	assert_int_equal(keys_create(f->keys, f->a, "a.test", KEY_ED25519, 0, NOW, &info, &err),
	                 -POD_E_LIMIT);
}

static void a_damaged_list_is_said_and_not_overwritten(void **state)
{
	struct auth_fixture *f = *state;
	struct key_info info = create(f, "a.test", KEY_RSA);
	struct key_list list;
	struct err err = { 0 };
	char path[160];
	FILE *file;

	(void) snprintf(path, sizeof(path), "%s/a.test/keys.json", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	(void) fputs("{\"keys\": [{\"selector\": \"../../x\"}]}", file);
	(void) fclose(file);
	assert_int_equal(keys_read(f->keys, f->a, "a.test", &list, &err), -POD_E_CORRUPT);
	assert_non_null(strstr(err.text, "keys.json"));
	assert_int_equal(keys_activate(f->keys, f->a, "a.test", info.selector, NOW, &err), -POD_E_CORRUPT);
}

static void the_dns_is_asked_as_the_world_does(void **state)
{
	struct auth_fixture *f = *state;
	struct zone_row row = { "r._domainkey.example.test", DNS_TXT, NULL };
	struct zone_table zone = { .rows = &row, .n = 1 }, empty = { 0 };
	struct lookup l = zone_table_lookup(&zone), nothing = zone_table_lookup(&empty);
	const char *why, *record;

	assert_int_equal(keys_check_published(&f->lookup, f->a, &f->rsa, &why), KEY_PUBLISHED);
	assert_string_equal(why, "");
	assert_int_equal(keys_check_published(&f->lookup, f->a, &f->ed25519, &why), KEY_PUBLISHED);
	assert_int_equal(keys_check_published(&nothing, f->a, &f->rsa, &why), KEY_UNPUBLISHED);
	assert_non_null(strstr(why, "r._domainkey.example.test"));
	assert_int_equal(keys_check_published(&l, f->a, &f->rsa, &why), KEY_UNKNOWN);
	assert_int_equal(keys_record(f->a, &f->ed25519, &record, NULL), 0);
	row.value = record;
	assert_int_equal(keys_check_published(&l, f->a, &f->rsa, &why), KEY_DIFFERENT);
	row.value = "v=DKIM1; k=rsa; p=cut";
	assert_int_equal(keys_check_published(&l, f->a, &f->rsa, &why), KEY_DIFFERENT);
}

static void a_line_of_a_zone_has_strings_that_fit(void **state)
{
	struct auth_fixture *f = *state;
	struct key_info info;
	struct signing_key key;
	const char *line;

	assert_int_equal(keys_create(f->keys, f->a, "b.test", KEY_RSA, 2048, NOW, &info, NULL), 0);
	assert_int_equal(keys_load(f->keys, f->a, "b.test", &info, &key, NULL), 0);
	assert_int_equal(keys_zone_line(f->a, &key, &line, NULL), 0);
	keys_release(&key);
	assert_memory_equal(line, "20251126r._domainkey.b.test. 3600 IN TXT ( \"v=DKIM1; k=rsa; p=", 60);
	for (const char *p = strchr(line, '"'); p; p = strchr(p + 1, '"')) {
		const char *end = strchr(p + 1, '"');

		assert_non_null(end);
		assert_in_range(end - p - 1, 1, 255);
		p = end;
	}
}

static void a_schedule_goes_through_a_keys_life(void **state)
{
	struct key_list list = { .domain = "a.test", .rotate_days = 90, .n = 1 };
	struct key_info *k = list.keys;
	struct rotation r;

	k[0] = (struct key_info){ .selector = "1", .type = KEY_RSA, .state = KEY_NEW, .created_s = NOW };
	assert_int_equal(rotation_next(&list, NOW, 7 * DAY).step, ROTATION_PUBLISH);
	k[0].state = KEY_ACTIVE;
	k[0].activated_s = NOW;
	assert_int_equal(rotation_next(&list, NOW + 82 * DAY, 7 * DAY).step, ROTATION_NOTHING);
	r = rotation_next(&list, NOW + 83 * DAY, 7 * DAY);
	assert_int_equal(r.step, ROTATION_CREATE);
	assert_ptr_equal(r.key, &k[0]);
	k[1] = (struct key_info){
		.selector = "2", .type = KEY_RSA, .state = KEY_NEW, .created_s = NOW + 83 * DAY
	};
	list.n = 2;
	r = rotation_next(&list, NOW + 200 * DAY, 7 * DAY);
	assert_int_equal(r.step, ROTATION_PUBLISH);
	assert_ptr_equal(r.key, &k[1]);
	k[1].state = KEY_ACTIVE;
	k[1].activated_s = k[0].retired_s = NOW + 84 * DAY;
	k[0].state = KEY_RETIRED;
	assert_int_equal(rotation_next(&list, NOW + 90 * DAY, 7 * DAY).step, ROTATION_NOTHING);
	r = rotation_next(&list, NOW + 91 * DAY, 7 * DAY);
	assert_int_equal(r.step, ROTATION_REMOVE);
	assert_ptr_equal(r.key, &k[0]);
	list.rotate_days = 0;
	assert_int_equal(rotation_next(&list, NOW + 900 * DAY, 7 * DAY).step, ROTATION_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, auth_fixture_setup, auth_fixture_teardown)
		T(a_key_is_named_by_day_and_type_and_is_ours_alone),
		T(an_active_key_retires_when_another_of_its_type_takes_over),
		T(what_is_no_domain_makes_no_folder),
		T(keys_that_are_too_weak_or_too_many_are_not_made),
		T(a_damaged_list_is_said_and_not_overwritten),
		T(the_dns_is_asked_as_the_world_does),
		T(a_line_of_a_zone_has_strings_that_fit),
		cmocka_unit_test(a_schedule_goes_through_a_keys_life),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
