/* Keys of example.test, a DNS that has them, and messages: for tests of signatures. */
#ifndef TESTS_AUTH_FIXTURE_H
#define TESTS_AUTH_FIXTURE_H

#include "mta/podfilter/auth/fields.h"
#include "mta/podfilter/auth/keys/keys.h"
#include "tests/support/zone_table.h"

struct auth_fixture {
	struct arena *a;
	struct keys *keys;
	char dir[64];
	struct signing_key rsa, ed25519; /* selectors "r" and "e" */
	struct zone_row rows[4];
	struct zone_table zone;
	struct lookup lookup;
};

/* For cmocka: *state is a struct auth_fixture. */
int auth_fixture_setup(void **state);
int auth_fixture_teardown(void **state);

#define AUTH_FIXTURE_HEADER                          \
	"From: Ann <ann@example.test>\r\n"           \
	"To: bob@other.test\r\n"                     \
	"Subject: a  subject\r\n that is folded\r\n" \
	"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n"  \
	"Message-ID: <1@example.test>\r\n"

/* The fields of a header. */
struct fields auth_fixture_fields(struct arena *a, const char *header);
/* Puts fields before all others, in their order. */
void auth_fixture_on_top(struct fields *fields, struct arena *a, const struct field *more, size_t n);

#endif
