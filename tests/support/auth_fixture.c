#include "tests/support/auth_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mime/header.h"

static void make_key(struct auth_fixture *f, enum key_type type, const char *selector,
                     struct signing_key *ret, struct zone_row *row)
{
	struct key_info info;
	struct err err = { 0 };
	const char *record;

	assert_int_equal(keys_create(f->keys, f->a, "example.test", type, 1024, 1, &info, &err), 0);
	assert_int_equal(keys_load(f->keys, f->a, "example.test", &info, ret, &err), 0);
	ret->selector = selector;
	assert_int_equal(keys_record(f->a, ret, &record, &err), 0);
	*row = (struct zone_row){ arena_printf(f->a, "%s._domainkey.example.test", selector), DNS_TXT,
		                  record };
}

int auth_fixture_setup(void **state)
{
	struct auth_fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	if (!f || !(f->a = arena_create(64 << 20)))
		return -1;
	(void) snprintf(f->dir, sizeof(f->dir), "/tmp/podmail-test-keys-XXXXXX");
	if (!mkdtemp(f->dir) || keys_open(f->dir, &f->keys, &err) < 0)
		return -1;
	make_key(f, KEY_RSA, "r", &f->rsa, &f->rows[0]);
	make_key(f, KEY_ED25519, "e", &f->ed25519, &f->rows[1]);
	f->zone = (struct zone_table){ .rows = f->rows, .n = 2 };
	f->lookup = zone_table_lookup(&f->zone);
	*state = f;
	return 0;
}

int auth_fixture_teardown(void **state)
{
	struct auth_fixture *f = *state;
	char command[128];

	keys_release(&f->rsa);
	keys_release(&f->ed25519);
	(void) keys_close(f->keys);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	if (system(command) != 0)
		return -1;
	(void) arena_free(f->a);
	free(f);
	return 0;
}

struct fields auth_fixture_fields(struct arena *a, const char *header)
{
	struct span rest = span_of(header);
	struct fields fields = { 0 };
	struct mime_field field;

	while (mime_field_next(&rest, &field))
		assert_int_equal(fields_add(&fields, a, field.name, field.value, NULL), 0);
	return fields;
}

void auth_fixture_on_top(struct fields *fields, struct arena *a, const struct field *more, size_t n)
{
	struct fields all = { 0 };

	for (size_t i = 0; i < n; i++)
		assert_int_equal(fields_add(&all, a, more[i].name, more[i].value, NULL), 0);
	for (size_t i = 0; i < fields->n; i++)
		assert_int_equal(fields_add(&all, a, fields->items[i].name, fields->items[i].value, NULL), 0);
	*fields = all;
}
