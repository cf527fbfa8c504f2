/* The small files beside the mail: written and read back, and damage told from absence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/maildir/account.h"
#include "store/maildir/file.h"
#include "store/maildir/mailbox_file.h"
#include "store/maildir/volume_file.h"

struct folder {
	char path[64];
	int fd;
	struct arena *a;
};

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	(void) snprintf(f->path, sizeof(f->path), "/tmp/podmail-test-XXXXXX");
	f->fd = mkdtemp(f->path) ? open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	f->a = arena_create(1 << 24);
	*state = f;
	return f->fd < 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;

	(void) file_remove_tree(AT_FDCWD, f->path, NULL);
	(void) close(f->fd);
	(void) arena_free(f->a);
	free(f);
	return 0;
}

static const struct account alice = { .address = "alice@example.test", .display_name = "Al\xc3\xad\"ce", .quota_bytes = 1 << 30,
	                              .created = 1700000000, .crypt_hash = "$y$x", .scram = "SCRAM", .credential_version = 3 };

static void an_account_is_read_as_written_and_only_its_own_can_read_it(void **state)
{
	struct folder *f = *state;
	struct account acc;
	struct stat st;

	assert_int_equal(account_write(f->fd, "account.json", NULL, &alice, NULL), 0);
	assert_int_equal(account_read(f->fd, "account.json", f->a, &acc, NULL), 0);
	assert_string_equal(acc.address, alice.address);
	assert_string_equal(acc.display_name, alice.display_name);
	assert_string_equal(acc.crypt_hash, alice.crypt_hash);
	assert_string_equal(acc.scram, alice.scram);
	assert_int_equal(acc.quota_bytes, alice.quota_bytes);
	assert_int_equal(acc.created, alice.created);
	assert_int_equal(acc.credential_version, 3);
	assert_int_equal(fstatat(f->fd, "account.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_others_keep_in_an_account_stays(void **state)
{
	struct folder *f = *state;
	_cleanup_buf_ struct buf b = BUF_INIT;

	assert_int_equal(file_replace(f->fd, "old", SPAN_LIT("{\"address\":\"x\",\"sieve\":{\"a\":[1]}}"), 0600, NULL), 0);
	assert_int_equal(account_write(f->fd, "new", "old", &alice, NULL), 0);
	assert_int_equal(file_read(f->fd, "new", 1 << 16, &b, NULL), 0);
	assert_true(span_find(buf_span(&b), SPAN_LIT("\"sieve\"")) != SIZE_MAX);
	assert_true(span_find(buf_span(&b), SPAN_LIT("alice@example.test")) != SIZE_MAX);
}

static void damage_is_told_from_absence(void **state)
{
	static const char *const damaged[] = { "", "[]", "{", "{}", "{\"address\":1}", "{\"address\":\"\"}", "\xff" };
	struct folder *f = *state;
	struct account acc;

	assert_int_equal(account_read(f->fd, "none", f->a, &acc, NULL), -POD_E_NOTFOUND);
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		assert_int_equal(file_replace(f->fd, "bad", span_of(damaged[i]), 0600, NULL), 0);
		assert_int_equal(account_read(f->fd, "bad", f->a, &acc, NULL), -POD_E_CORRUPT);
	}
}

static void a_mailbox_file_is_read_as_written(void **state)
{
	static const char *const words[] = { "red", "$Junk" };
	struct folder *f = *state;
	const struct mailbox_file m = { .id = 7, .uidvalidity = 1700000000, .uid_reserve = 1025, .guid = guid_new(),
		                        .special_use = "\\Sent", .keywords = words, .keywords_n = 2 };
	struct mailbox_file r;

	assert_int_equal(mailbox_folder_make(f->fd, "box", &m, NULL), 0);
	assert_int_equal(mailbox_file_read(f->fd, "box", f->a, &r, NULL), 0);
	assert_int_equal(r.id, 7);
	assert_int_equal(r.uidvalidity, m.uidvalidity);
	assert_int_equal(r.uid_reserve, 1025);
	assert_true(guid_eq(&r.guid, &m.guid));
	assert_string_equal(r.special_use, "\\Sent");
	assert_int_equal(r.keywords_n, 2);
	assert_string_equal(r.keywords[1], "$Junk");
	assert_int_equal(file_exists(f->fd, "box/cur", NULL), 1);
	assert_int_equal(mailbox_file_read(f->fd, "none", f->a, &r, NULL), -POD_E_NOTFOUND);
	assert_int_equal(file_replace(f->fd, "box/podmail-mailbox.json", SPAN_LIT("{\"id\":1}"), 0600, NULL), 0);
	assert_int_equal(mailbox_file_read(f->fd, "box", f->a, &r, NULL), -POD_E_CORRUPT);
}

static void a_volume_file_of_another_format_is_refused(void **state)
{
	struct folder *f = *state;
	struct volume_file v = { .id = guid_new(), .name = "vol01", .modseq_reserve = (uint64_t) 1 << 40, .mailbox_reserve = 9 }, r;

	assert_int_equal(volume_file_read(f->fd, &r, NULL), -POD_E_NOTFOUND);
	assert_int_equal(volume_file_write(f->fd, &v, NULL), 0);
	assert_int_equal(volume_file_read(f->fd, &r, NULL), 0);
	assert_true(guid_eq(&r.id, &v.id) && r.modseq_reserve == v.modseq_reserve && r.mailbox_reserve == 9);
	assert_string_equal(r.name, "vol01");
	assert_int_equal(file_replace(f->fd, "volume.json", SPAN_LIT("{\"version\":2}"), 0600, NULL), 0);
	assert_int_equal(volume_file_read(f->fd, &r, NULL), -POD_E_VERSION);
}

static void subscriptions_are_lines(void **state)
{
	struct folder *f = *state;
	const struct span names[] = { SPAN_LIT("INBOX"), SPAN_LIT("A/B \xc3\xbc") };
	struct span *read = NULL;
	size_t n = 9;

	assert_int_equal(subscriptions_read(f->fd, "none", f->a, &read, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(subscriptions_write(f->fd, "subs", names, 2, NULL), 0);
	assert_int_equal(subscriptions_read(f->fd, "subs", f->a, &read, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_true(span_eq(read[1], names[1]));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_account_is_read_as_written_and_only_its_own_can_read_it),
		T(what_others_keep_in_an_account_stays),
		T(damage_is_told_from_absence),
		T(a_mailbox_file_is_read_as_written),
		T(a_volume_file_of_another_format_is_refused),
		T(subscriptions_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
