#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "directory/directory.h"

struct fixture {
	char top[40], path[48];
	struct directory *dir;
	struct arena *a;
};

static void create(struct fixture *f, enum directory_kind kind, const char *name,
                   const ProtobufCMessage *record)
{
	struct err err = { 0 };

	if (directory_create(f->dir, kind, span_of(name), record, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static int create_user(struct fixture *f, const char *address, const char *volume, struct err *err)
{
	Directory__User u = DIRECTORY__USER__INIT;

	u.volume = (char *) (uintptr_t) volume;
	u.user_id = (char *) (uintptr_t) "u1";
	u.state = (char *) (uintptr_t) "active";
	return directory_create(f->dir, DIRECTORY_USER, span_of(address), &u.base, err);
}

static int set_user_state(struct fixture *f, const char *address, const char *state)
{
	const ProtobufCMessage *record;
	Directory__User u;

	assert_int_equal(directory_get(f->dir, f->a, DIRECTORY_USER, span_of(address), &record, NULL), 0);
	u = *(const Directory__User *) record;
	u.state = (char *) (uintptr_t) state;
	return directory_replace(f->dir, DIRECTORY_USER, span_of(address), &u.base, NULL);
}

#define TARGETS_MAX 8

/* A list of addresses, space separated, as protobuf-c wants it. */
static size_t split(struct arena *a, const char *list, char **ret_items)
{
	struct span rest = span_of(list);
	size_t n = 0;

	while (rest.p && rest.len)
		ret_items[n++] = arena_str(a, span_split(rest, ' ', &rest));
	assert_true(n <= TARGETS_MAX);
	return n;
}

static int write_alias(struct fixture *f, bool replace, const char *name, const char *targets,
                       struct err *err)
{
	Directory__Alias r = DIRECTORY__ALIAS__INIT;
	char *items[TARGETS_MAX];

	r.n_targets = split(f->a, targets, items);
	r.targets = items;
	return (replace ? directory_replace : directory_create)(f->dir, DIRECTORY_ALIAS, span_of(name),
	                                                        &r.base, err);
}

static int write_group(struct fixture *f, const char *name, const char *members, bool members_only,
                       struct err *err)
{
	Directory__Group r = DIRECTORY__GROUP__INIT;
	char *items[TARGETS_MAX];

	r.n_members = split(f->a, members, items);
	r.members = items;
	r.members_only = members_only;
	return directory_create(f->dir, DIRECTORY_GROUP, span_of(name), &r.base, err);
}

static void populate(struct fixture *f)
{
	Directory__Site site = DIRECTORY__SITE__INIT;
	Directory__Pod pod = DIRECTORY__POD__INIT;
	Directory__Host host = DIRECTORY__HOST__INIT;
	Directory__Volume volume = DIRECTORY__VOLUME__INIT;
	Directory__Domain domain = DIRECTORY__DOMAIN__INIT;

	pod.domain = (char *) (uintptr_t) "Example.test";
	host.site = (char *) (uintptr_t) "site1";
	volume.id = (char *) (uintptr_t) "0123";
	volume.primary_host = (char *) (uintptr_t) "host1";
	volume.endpoint = (char *) (uintptr_t) "unix:/run/vol01.sock";
	volume.state = (char *) (uintptr_t) "active";
	volume.token = 7;
	create(f, DIRECTORY_SITE, "site1", &site.base);
	create(f, DIRECTORY_POD, "pod1", &pod.base);
	create(f, DIRECTORY_HOST, "host1", &host.base);
	create(f, DIRECTORY_VOLUME, "vol01", &volume.base);
	create(f, DIRECTORY_VOLUME, "vol02", &volume.base);
	create(f, DIRECTORY_DOMAIN, "other.test", &domain.base);
	domain.subaddressing = true;
	create(f, DIRECTORY_DOMAIN, "example.test", &domain.base);
	assert_int_equal(create_user(f, "Alice@Example.test", "vol01", NULL), 0);
	assert_int_equal(create_user(f, "bob@example.test", "vol02", NULL), 0);
	assert_int_equal(create_user(f, "carol@other.test", "vol01", NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void) snprintf(f->top, sizeof(f->top), "/tmp/podmail-directory-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	(void) snprintf(f->path, sizeof(f->path), "%s/d", f->top);
	f->a = arena_create(16 << 20);
	assert_int_equal(directory_open_writer(f->path, &f->dir, NULL), 0);
	populate(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "/data.mdb", "/lock.mdb", "" };
	struct fixture *f = *state;

	(void) directory_close(f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[80];

		(void) snprintf(path, sizeof(path), "%s%s", f->path, files[i]);
		assert_int_equal(remove(path), 0);
	}
	assert_int_equal(rmdir(f->top), 0);
	(void) arena_free(f->a);
	free(f);
	return 0;
}

/* "address[+detail]@volume address ..." of what an address resolves to, or the error's name. */
static const char *resolve(struct fixture *f, const char *address)
{
	struct directory_targets targets = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = directory_resolve(f->dir, f->a, span_of(address), &targets, NULL);

	if (r < 0)
		return err_code_name(r);
	for (size_t i = 0; i < targets.n; i++) {
		const struct directory_target *t = &targets.items[i];

		buf_printf(&out, "%s%s", i ? " " : "", t->address);
		if (t->kind == TARGET_MAILBOX)
			buf_printf(&out, "=%s%s%s", t->volume, t->detail[0] ? "+" : "", t->detail);
	}
	return arena_str(f->a, buf_span(&out));
}

static void addresses_resolve_to_mailboxes_whatever_their_case(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(resolve(f, "alice@example.test"), "alice@example.test=vol01");
	assert_string_equal(resolve(f, "ALICE@EXAMPLE.TEST"), "alice@example.test=vol01");
	assert_string_equal(resolve(f, "nobody@example.test"), "NOTFOUND");
	assert_string_equal(resolve(f, "x@remote.test"), "UNSUPPORTED");
	assert_string_equal(resolve(f, "x@"), "NOTFOUND");
	assert_string_equal(resolve(f, ""), "NOTFOUND");
	assert_string_equal(resolve(f, "@"), "NOTFOUND");
}

static void aliases_and_groups_expand_each_mailbox_once_and_loops_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write_alias(f, false, "a1@example.test", "alice@example.test Bob@Far.test", NULL),
	                 0);
	assert_int_equal(write_alias(f, false, "a2@example.test",
	                             "a1@example.test bob@example.test alice@example.test", NULL),
	                 0);
	assert_int_equal(write_group(f, "all@other.test", "a2@example.test carol@other.test bob@far.test",
	                             false, NULL),
	                 0);
	assert_string_equal(resolve(f, "a1@example.test"), "alice@example.test=vol01 Bob@Far.test");
	assert_string_equal(resolve(f, "all@other.test"),
	                    "carol@other.test=vol01 bob@far.test bob@example.test=vol02 "
	                    "alice@example.test=vol01");
	assert_int_equal(write_alias(f, true, "a1@example.test", "all@other.test", NULL), 0);
	assert_string_equal(resolve(f, "a1@example.test"),
	                    "carol@other.test=vol01 bob@far.test bob@example.test=vol02 "
	                    "alice@example.test=vol01");
	assert_int_equal(write_alias(f, true, "a2@example.test", "a1@example.test", NULL), 0);
	assert_int_equal(write_alias(f, true, "a1@example.test", "a2@example.test", NULL), 0);
	assert_string_equal(resolve(f, "a1@example.test"), "NOTFOUND");
}

static void a_detail_reaches_the_user_where_the_domain_says_so(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(resolve(f, "alice+Lists+x@example.test"), "alice@example.test=vol01+lists+x");
	assert_string_equal(resolve(f, "carol+lists@other.test"), "NOTFOUND");
	assert_string_equal(resolve(f, "+x@example.test"), "NOTFOUND");
	assert_int_equal(
		write_alias(f, false, "a@example.test", "alice@example.test bob+own@example.test", NULL), 0);
	assert_string_equal(resolve(f, "a+d@example.test"),
	                    "alice@example.test=vol01+d bob@example.test=vol02+own");
	assert_int_equal(write_group(f, "g@example.test", "alice+one@example.test alice+two@example.test",
	                             false, NULL),
	                 0);
	assert_string_equal(resolve(f, "g@example.test"), "alice@example.test=vol01+one");
	assert_int_equal(create_user(f, "alice+real@example.test", "vol02", NULL), 0);
	assert_string_equal(resolve(f, "alice+real@example.test"), "alice+real@example.test=vol02");
}

static void a_catch_all_takes_what_nobody_else_has(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write_alias(f, false, "@example.test", "nobody@example.test", NULL),
	                 -POD_E_NOTFOUND);
	assert_int_equal(write_alias(f, false, "@example.test", "bob@example.test", NULL), 0);
	assert_string_equal(resolve(f, "nobody@example.test"), "bob@example.test=vol02");
	assert_string_equal(resolve(f, "alice+x@example.test"), "alice@example.test=vol01+x");
	assert_string_equal(resolve(f, "nobody@other.test"), "NOTFOUND");
	assert_int_equal(write_alias(f, true, "@example.test", "nobody@example.test", NULL), -POD_E_NOTFOUND);
}

static void postmaster_is_there_in_every_domain(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(resolve(f, "postmaster"), "NOTFOUND");
	assert_int_equal(write_alias(f, false, "postmaster@example.test", "alice@example.test", NULL), 0);
	assert_string_equal(resolve(f, "Postmaster"), "alice@example.test=vol01");
	assert_string_equal(resolve(f, "postmaster@other.test"), "alice@example.test=vol01");
	assert_int_equal(write_alias(f, false, "postmaster@other.test", "carol@other.test", NULL), 0);
	assert_string_equal(resolve(f, "postmaster@other.test"), "carol@other.test=vol01");
}

static void suspended_and_pending_users_get_no_mail_and_cannot_log_in(void **state)
{
	struct fixture *f = *state;
	struct directory_user u;

	assert_int_equal(directory_user_find(f->dir, f->a, SPAN_LIT("ALICE@example.test"), &u, NULL), 0);
	assert_string_equal(u.address, "alice@example.test");
	assert_string_equal(u.user_id, "u1");
	assert_string_equal(u.volume, "vol01");
	assert_int_equal(
		write_alias(f, false, "both@example.test", "alice@example.test bob@example.test", NULL), 0);
	assert_int_equal(set_user_state(f, "alice@example.test", "suspended"), 0);
	assert_int_equal(directory_user_find(f->dir, f->a, SPAN_LIT("alice@example.test"), &u, NULL),
	                 -POD_E_DENIED);
	assert_string_equal(resolve(f, "alice@example.test"), "DENIED");
	assert_string_equal(resolve(f, "both@example.test"), "bob@example.test=vol02");
	assert_int_equal(set_user_state(f, "alice@example.test", "pending"), 0);
	assert_int_equal(directory_user_find(f->dir, f->a, SPAN_LIT("alice@example.test"), &u, NULL),
	                 -POD_E_NOTFOUND);
	assert_string_equal(resolve(f, "alice@example.test"), "NOTFOUND");
	assert_int_equal(set_user_state(f, "alice@example.test", "asleep"), -POD_E_SYNTAX);
	assert_int_equal(directory_user_find(f->dir, f->a, SPAN_LIT("both@example.test"), &u, NULL),
	                 -POD_E_NOTFOUND);
}

static void an_expansion_has_an_end(void **state)
{
	struct fixture *f = *state;
	Directory__Group g = DIRECTORY__GROUP__INIT;
	char **members = arena_array(f->a, DIRECTORY_EXPAND_MAX + 1, sizeof(*members));

	for (size_t i = 0; i <= DIRECTORY_EXPAND_MAX; i++)
		members[i] = arena_printf(f->a, "m%zu@far.test", i);
	g.members = members;
	g.n_members = DIRECTORY_EXPAND_MAX + 1;
	assert_int_equal(directory_create(f->dir, DIRECTORY_GROUP, SPAN_LIT("g@other.test"), &g.base, NULL),
	                 -POD_E_LIMIT);
	g.n_members = DIRECTORY_EXPAND_MAX;
	create(f, DIRECTORY_GROUP, "g@other.test", &g.base);
	assert_string_equal(resolve(f, "g@other.test"), "LIMIT");
	g.n_members = DIRECTORY_EXPAND_MAX - 1;
	assert_int_equal(directory_replace(f->dir, DIRECTORY_GROUP, SPAN_LIT("g@other.test"), &g.base, NULL),
	                 0);
	assert_string_not_equal(resolve(f, "g@other.test"), "LIMIT");
}

static void only_members_may_send_to_a_group_that_says_so(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write_alias(f, false, "al@example.test", "alice@example.test", NULL), 0);
	assert_int_equal(write_group(f, "open@example.test", "bob@example.test", false, NULL), 0);
	assert_int_equal(write_group(f, "team@example.test", "al@example.test x@far.test", true, NULL), 0);
	assert_int_equal(
		directory_sender_check(f->dir, SPAN_LIT("open@example.test"), SPAN_LIT("y@far.test"), NULL),
		0);
	assert_int_equal(
		directory_sender_check(f->dir, SPAN_LIT("bob@example.test"), SPAN_LIT("y@far.test"), NULL),
		0);
	assert_int_equal(directory_sender_check(f->dir, SPAN_LIT("z@far.test"), SPAN_LIT("y@far.test"), NULL),
	                 0);
	assert_int_equal(
		directory_sender_check(f->dir, SPAN_LIT("Team@example.test"), SPAN_LIT("X@far.test"), NULL),
		0);
	assert_int_equal(directory_sender_check(f->dir, SPAN_LIT("team@example.test"),
	                                        SPAN_LIT("alice@example.test"), NULL),
	                 0);
	assert_int_equal(directory_sender_check(f->dir, SPAN_LIT("team@example.test"),
	                                        SPAN_LIT("al@example.test"), NULL),
	                 0);
	assert_int_equal(directory_sender_check(f->dir, SPAN_LIT("team@example.test"),
	                                        SPAN_LIT("bob@example.test"), NULL),
	                 -POD_E_DENIED);
	assert_int_equal(
		directory_sender_check(f->dir, SPAN_LIT("team@example.test"), SPAN_LIT("y@far.test"), NULL),
		-POD_E_DENIED);
	assert_int_equal(directory_sender_check(f->dir, SPAN_LIT("team@example.test"), SPAN_LIT(""), NULL),
	                 -POD_E_DENIED);
}

static void a_user_sends_as_whom_mail_leads_to_them_or_who_lets_them(void **state)
{
	static const struct {
		const char *login, *address;
		int r;
	} cases[] = {
		{ "alice@example.test", "Alice@Example.test", 0 },
		{ "alice@example.test", "al@example.test", 0 },
		{ "alice@example.test", "both@example.test", 0 },
		{ "bob@example.test", "both@example.test", 0 },
		{ "bob@example.test", "alice@example.test", 0 }, /* granted */
		{ "bob@example.test", "al@example.test", 0 },    /* and so through her alias */
		{ "alice@example.test", "bob@example.test", -POD_E_DENIED },
		{ "alice@example.test", "team@example.test", 0 }, /* its members may */
		{ "bob@example.test", "team@example.test", -POD_E_DENIED },
		{ "alice@example.test", "quiet@example.test", -POD_E_DENIED }, /* a member, no more */
		{ "bob@example.test", "quiet@example.test", 0 },               /* granted */
		{ "alice@example.test", "nobody@example.test", -POD_E_DENIED },
		{ "alice@example.test", "alice@far.test", -POD_E_DENIED },
		{ "alice@example.test", "loop@example.test", -POD_E_DENIED },
		{ "alice@example.test", "alice", -POD_E_DENIED },
		{ "alice@example.test", "", -POD_E_DENIED },
		{ "", "alice@example.test", -POD_E_DENIED },
	};
	struct fixture *f = *state;
	const ProtobufCMessage *record;
	char *grant[] = { (char *) (uintptr_t) "bob@example.test" };
	char *members[] = { (char *) (uintptr_t) "alice@example.test" };
	Directory__Group g = DIRECTORY__GROUP__INIT;
	Directory__User u;

	assert_int_equal(write_alias(f, false, "al@example.test", "alice@example.test", NULL), 0);
	assert_int_equal(
		write_alias(f, false, "both@example.test", "alice@example.test bob@example.test", NULL), 0);
	assert_int_equal(write_alias(f, false, "loop@example.test", "bob@example.test", NULL), 0);
	assert_int_equal(write_alias(f, false, "loop2@example.test", "loop@example.test", NULL), 0);
	assert_int_equal(write_alias(f, true, "loop@example.test", "loop2@example.test", NULL), 0);
	g.members = members;
	g.n_members = 1;
	g.members_send_as = true;
	create(f, DIRECTORY_GROUP, "team@example.test", &g.base);
	g.members_send_as = false;
	g.send_as = grant;
	g.n_send_as = 1;
	create(f, DIRECTORY_GROUP, "quiet@example.test", &g.base);
	assert_int_equal(
		directory_get(f->dir, f->a, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &record, NULL),
		0);
	u = *(const Directory__User *) record;
	u.send_as = grant;
	u.n_send_as = 1;
	assert_int_equal(
		directory_replace(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &u.base, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = directory_send_as_check(f->dir, span_of(cases[i].login), span_of(cases[i].address),
		                                NULL);

		if (r != cases[i].r)
			fail_msg("%s as %s: %d", cases[i].login, cases[i].address, r);
	}
	/* A right that was granted is a reference: who has it cannot go unnoticed. */
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("bob@example.test"), NULL),
	                 -POD_E_BUSY);
}

static void an_address_is_one_thing_only(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_int_equal(write_alias(f, false, "ALICE@example.test", "bob@example.test", &err),
	                 -POD_E_EXISTS);
	assert_non_null(strstr(err.text, "there is a user alice@example.test already"));
	assert_int_equal(write_group(f, "bob@example.test", "", false, NULL), -POD_E_EXISTS);
	assert_int_equal(write_alias(f, false, "al@example.test", "alice@example.test", NULL), 0);
	assert_int_equal(create_user(f, "Al@example.test", "vol01", NULL), -POD_E_EXISTS);
	assert_int_equal(create_user(f, "alice@example.test", "vol01", NULL), -POD_E_EXISTS);
}

static void a_record_may_only_refer_to_what_is_there(void **state)
{
	struct fixture *f = *state;
	Directory__Host host = DIRECTORY__HOST__INIT;
	struct err err = { 0 };

	assert_int_equal(create_user(f, "x@example.test", "vol99", &err), -POD_E_NOTFOUND);
	assert_string_equal(err.text, "there is no volume vol99");
	assert_int_equal(create_user(f, "x@nowhere.test", "vol01", &err), -POD_E_NOTFOUND);
	assert_string_equal(err.text, "there is no domain nowhere.test");
	assert_int_equal(write_alias(f, false, "x@example.test", "typo@example.test", &err), -POD_E_NOTFOUND);
	assert_string_equal(err.text, "there is no address typo@example.test");
	assert_int_equal(write_alias(f, false, "x@example.test", "x@example.test", NULL), -POD_E_SYNTAX);
	assert_int_equal(write_alias(f, false, "x@example.test", "no-address", NULL), -POD_E_SYNTAX);
	assert_int_equal(write_alias(f, false, "x@example.test", "", NULL), -POD_E_SYNTAX);
	host.site = (char *) (uintptr_t) "mars";
	assert_int_equal(directory_create(f->dir, DIRECTORY_HOST, SPAN_LIT("h2"), &host.base, NULL),
	                 -POD_E_NOTFOUND);
	assert_string_equal(resolve(f, "x@example.test"), "NOTFOUND"); /* nothing half-made */
}

static void what_is_in_use_cannot_be_deleted(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_int_equal(write_group(f, "g@other.test", "alice@example.test alice@example.test", false, NULL),
	                 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_SITE, SPAN_LIT("site1"), &err), -POD_E_BUSY);
	assert_string_equal(err.text, "site site1 is in use by host host1");
	assert_int_equal(directory_delete(f->dir, DIRECTORY_HOST, SPAN_LIT("host1"), NULL), -POD_E_BUSY);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_VOLUME, SPAN_LIT("vol02"), NULL), -POD_E_BUSY);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_DOMAIN, SPAN_LIT("Example.test"), &err),
	                 -POD_E_BUSY);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &err),
	                 -POD_E_BUSY);
	assert_string_equal(err.text, "user alice@example.test is in use by group g@other.test");
	assert_int_equal(directory_delete(f->dir, DIRECTORY_GROUP, SPAN_LIT("g@other.test"), NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &err),
	                 -POD_E_NOTFOUND);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("bob@example.test"), NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_DOMAIN, SPAN_LIT("example.test"), NULL), 0);
	assert_int_equal(directory_domain_find(f->dir, SPAN_LIT("example.test"), NULL), -POD_E_NOTFOUND);
	assert_int_equal(directory_domain_find(f->dir, SPAN_LIT("OTHER.test"), NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_VOLUME, SPAN_LIT("vol02"), NULL), 0);
}

static uint32_t users_on(struct fixture *f, const char *volume)
{
	const ProtobufCMessage *record;

	assert_int_equal(directory_get(f->dir, f->a, DIRECTORY_VOLUME, span_of(volume), &record, NULL), 0);
	return ((const Directory__Volume *) record)->users;
}

static void users_of_a_volume_are_counted_whatever_a_record_says(void **state)
{
	struct fixture *f = *state;
	const ProtobufCMessage *record;
	Directory__Volume v;
	Directory__User u;

	assert_int_equal(users_on(f, "vol01"), 2);
	assert_int_equal(directory_get(f->dir, f->a, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &record, NULL), 0);
	v = *(const Directory__Volume *) record;
	v.users = 999;
	v.token = 8;
	assert_int_equal(directory_replace(f->dir, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &v.base, NULL), 0);
	assert_int_equal(users_on(f, "vol01"), 2);
	assert_int_equal(
		directory_get(f->dir, f->a, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &record, NULL),
		0);
	u = *(const Directory__User *) record;
	u.volume = (char *) (uintptr_t) "VOL02";
	assert_int_equal(
		directory_replace(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &u.base, NULL), 0);
	assert_int_equal(users_on(f, "vol01"), 1);
	assert_int_equal(users_on(f, "vol02"), 2);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("carol@other.test"), NULL), 0);
	assert_int_equal(users_on(f, "vol01"), 0);
	u.user_id = (char *) (uintptr_t) "u2";
	assert_int_equal(
		directory_replace(f->dir, DIRECTORY_USER, SPAN_LIT("alice@example.test"), &u.base, NULL),
		-POD_E_DENIED);
}

static void a_fencing_token_never_shrinks(void **state)
{
	struct fixture *f = *state;
	const ProtobufCMessage *record;
	struct directory_volume found;
	Directory__Volume v;

	assert_int_equal(directory_volume_find(f->dir, f->a, SPAN_LIT("Vol01"), &found, NULL), 0);
	assert_string_equal(found.name, "vol01");
	assert_string_equal(found.endpoint, "unix:/run/vol01.sock");
	assert_true(found.token == 7);
	assert_int_equal(directory_get(f->dir, f->a, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &record, NULL), 0);
	v = *(const Directory__Volume *) record;
	v.token = 6;
	assert_int_equal(directory_replace(f->dir, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &v.base, NULL),
	                 -POD_E_STALE);
	v.token = 9;
	assert_int_equal(directory_replace(f->dir, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &v.base, NULL), 0);
	assert_int_equal(directory_volume_find(f->dir, f->a, SPAN_LIT("vol01"), &found, NULL), 0);
	assert_true(found.token == 9);
	assert_int_equal(directory_volume_find(f->dir, f->a, SPAN_LIT("vol99"), &found, NULL),
	                 -POD_E_NOTFOUND);
}

static void the_replicas_of_a_volume_are_one_for_each_site_with_one_primary_in_sync(void **state)
{
	static const struct {
		const char *primary, *second_site;
		bool primary_in_sync;
		int r;
		const char *says;
	} cases[] = {
		{ "site1", "site2", true, 0, "" },
		{ "site2", "site2", true, -POD_E_SYNTAX, "the primary at site2 is in sync with itself" },
		{ "site1", "site1", true, -POD_E_SYNTAX, "two replicas at the site site1" },
		{ "site1", "site2", false, -POD_E_SYNTAX, "the primary at site1 is in sync with itself" },
		{ "", "site2", true, -POD_E_SYNTAX, "one of the replicas is the primary" },
		{ "site1", "site3", true, -POD_E_NOTFOUND, "there is no site site3" },
	};
	struct fixture *f = *state;
	Directory__Site site = DIRECTORY__SITE__INIT;

	create(f, DIRECTORY_SITE, "site2", &site.base);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Directory__Volume v = DIRECTORY__VOLUME__INIT;
		Directory__Replica replicas[2] = { DIRECTORY__REPLICA__INIT, DIRECTORY__REPLICA__INIT };
		Directory__Replica *list[] = { &replicas[0], &replicas[1] };
		struct err err = { 0 };

		replicas[0].site = (char *) (uintptr_t) "site1";
		replicas[0].in_sync = cases[i].primary_in_sync;
		replicas[1].site = (char *) (uintptr_t) cases[i].second_site;
		replicas[0].host = replicas[1].host = (char *) (uintptr_t) "host1";
		replicas[0].mode = replicas[1].mode = (char *) (uintptr_t) "sync";
		v.id = (char *) (uintptr_t) "0123";
		v.state = (char *) (uintptr_t) "making";
		v.kind = (char *) (uintptr_t) "replicated";
		v.primary_site = (char *) (uintptr_t) cases[i].primary;
		v.replicas = list;
		v.n_replicas = ARRAY_SIZE(list);
		assert_int_equal(directory_create(f->dir, DIRECTORY_VOLUME, SPAN_LIT("rep"), &v.base, &err),
		                 cases[i].r);
		assert_non_null(strstr(err.text, cases[i].says));
		if (cases[i].r == 0)
			assert_int_equal(directory_delete(f->dir, DIRECTORY_SITE, SPAN_LIT("site2"), NULL),
			                 -POD_E_BUSY);
		if (cases[i].r == 0)
			assert_int_equal(directory_delete(f->dir, DIRECTORY_VOLUME, SPAN_LIT("rep"), NULL),
			                 0);
	}
}

struct listed {
	struct buf names;
	size_t stop_after;
};

static int list_one(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct listed *l = arg;

	assert_true(((const Directory__User *) record)->user_id[0] != '\0');
	buf_printf(&l->names, "%s ", name);
	return --l->stop_after == 0 ? 7 : 0;
}

static void listing_goes_in_name_order_from_where_it_is_told_until_it_is_told(void **state)
{
	static const struct {
		const char *after, *names;
		size_t stop_after;
		int r;
	} cases[] = {
		{ "", "alice@example.test bob@example.test carol@other.test ", 99, 0 },
		{ "Alice@example.test", "bob@example.test carol@other.test ", 99, 0 },
		{ "alice@example.tesu", "bob@example.test carol@other.test ", 99, 0 },
		{ "zoe", "", 99, 0 },
		{ "", "alice@example.test bob@example.test ", 2, 7 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct listed l = { .stop_after = cases[i].stop_after };

		assert_int_equal(
			directory_each(f->dir, DIRECTORY_USER, span_of(cases[i].after), list_one, &l, NULL),
			cases[i].r);
		assert_string_equal(buf_str(&l.names), cases[i].names);
		buf_done(&l.names);
	}
}

static void names_that_are_none_are_refused(void **state)
{
	static const struct {
		enum directory_kind kind;
		const char *name;
	} cases[] = {
		{ DIRECTORY_SITE, "" },
		{ DIRECTORY_SITE, "a b" },
		{ DIRECTORY_SITE, "../x" },
		{ DIRECTORY_SITE, "a@b" },
		{ DIRECTORY_GROUP, "nobody" },
		{ DIRECTORY_GROUP, "@example.test" },
		{ DIRECTORY_GROUP, "a@" },
		{ DIRECTORY_GROUP, "a@b c" },
		{ DIRECTORY_GROUP, "a\nb@example.test" },
		{ DIRECTORY_SITE, "x\x01" },
	};
	struct fixture *f = *state;
	Directory__Site site = DIRECTORY__SITE__INIT;
	Directory__Group group = DIRECTORY__GROUP__INIT;
	char too_long[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(directory_create(f->dir, cases[i].kind, span_of(cases[i].name),
		                                  cases[i].kind == DIRECTORY_SITE ? &site.base : &group.base,
		                                  NULL),
		                 -POD_E_SYNTAX);
	memset(too_long, 'a', sizeof(too_long));
	assert_int_equal(directory_create(f->dir, DIRECTORY_SITE, span_make(too_long, 255), &site.base, NULL),
	                 -POD_E_SYNTAX);
	assert_int_equal(directory_create(f->dir, DIRECTORY_SITE, span_make(too_long, 254), &site.base, NULL),
	                 0);
	assert_string_equal(resolve(f, "a\xff\x01@example.test"), "NOTFOUND");
}

/* The longest names there can be still fit into a key of the table of references. */
static void the_longest_addresses_can_refer_to_each_other(void **state)
{
	struct fixture *f = *state;
	Directory__Domain domain = DIRECTORY__DOMAIN__INIT;
	char name[190], a[256], b[256];

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	create(f, DIRECTORY_DOMAIN, name, &domain.base);
	(void) snprintf(a, sizeof(a), "%064d@%s", 1, name);
	(void) snprintf(b, sizeof(b), "%064d@%s", 2, name);
	assert_int_equal(strlen(a), 254);
	assert_int_equal(create_user(f, a, "vol01", NULL), 0);
	assert_int_equal(write_alias(f, false, b, a, NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, span_of(a), NULL), -POD_E_BUSY);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_ALIAS, span_of(b), NULL), 0);
	assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, span_of(a), NULL), 0);
}

/* ---- a second process ---- */

/* Opens once; answers each order with whether new@example.test is a user, until the orders end. */
static void reader_process(const char *path, int orders, int answers)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct directory *dir = NULL;
	struct directory_user u;
	char c;

	if (read(orders, &c, 1) != 1 || directory_open(path, &dir, NULL) < 0)
		_exit(1);
	do {
		Directory__Site site = DIRECTORY__SITE__INIT;
		int r = directory_user_find(dir, a, SPAN_LIT("new@example.test"), &u, NULL);

		c = r == 0 ? 'y' : r == -POD_E_NOTFOUND ? 'n' : '!';
		if (directory_create(dir, DIRECTORY_SITE, SPAN_LIT("s"), &site.base, NULL) != -POD_E_DENIED)
			c = '!';
		if (write(answers, &c, 1) != 1)
			_exit(2);
	} while (read(orders, &c, 1) == 1);
	(void) directory_close(dir);
	_exit(0);
}

static char ask(const int to[2], const int from[2])
{
	char c = '?';

	assert_int_equal(write(to[1], &c, 1), 1);
	assert_int_equal(read(from[0], &c, 1), 1);
	return c;
}

static void another_process_sees_each_change_without_reopening(void **state)
{
	struct fixture *f = *state;
	int to[2], from[2], status;
	pid_t pid;

	f->dir = directory_close(f->dir); /* an environment does not cross a fork */
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		(void) close(to[1]);
		reader_process(f->path, to[0], from[1]);
	}
	(void) close(to[0]);
	assert_int_equal(directory_open_writer(f->path, &f->dir, NULL), 0);
	assert_int_equal(ask(to, from), 'n');
	for (int i = 0; i < 3; i++) {
		assert_int_equal(create_user(f, "new@example.test", "vol01", NULL), 0);
		assert_int_equal(ask(to, from), 'y');
		assert_int_equal(directory_delete(f->dir, DIRECTORY_USER, SPAN_LIT("new@example.test"), NULL),
		                 0);
		assert_int_equal(ask(to, from), 'n');
	}
	(void) close(to[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void) close(from[0]);
	(void) close(from[1]);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void who_wants_to_hears_of_each_change_and_of_nothing_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_(closep) int fd = -1;
	struct directory_user u;

	assert_int_equal(directory_notice_open(f->path, &fd, NULL), 0);
	assert_int_equal(directory_user_find(f->dir, f->a, SPAN_LIT("alice@example.test"), &u, NULL), 0);
	assert_false(is_readable(fd));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(set_user_state(f, "alice@example.test", i % 2 ? "active" : "suspended"), 0);
		assert_true(is_readable(fd));
		directory_notice_take(fd);
		assert_false(is_readable(fd));
	}
	assert_int_equal(directory_notice_open("/nonexistent/directory", &fd, NULL), -POD_E_NOTFOUND);
}

static void a_directory_that_was_never_made_is_told_apart(void **state)
{
	struct directory *dir = NULL;
	struct err err = { 0 };

	assert_int_equal(directory_open("/nonexistent/directory", &dir, &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, "/nonexistent/directory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_resolve_to_mailboxes_whatever_their_case),
		TEST(aliases_and_groups_expand_each_mailbox_once_and_loops_end),
		TEST(a_detail_reaches_the_user_where_the_domain_says_so),
		TEST(a_catch_all_takes_what_nobody_else_has),
		TEST(postmaster_is_there_in_every_domain),
		TEST(suspended_and_pending_users_get_no_mail_and_cannot_log_in),
		TEST(an_expansion_has_an_end),
		TEST(only_members_may_send_to_a_group_that_says_so),
		TEST(the_replicas_of_a_volume_are_one_for_each_site_with_one_primary_in_sync),
		TEST(a_user_sends_as_whom_mail_leads_to_them_or_who_lets_them),
		TEST(an_address_is_one_thing_only),
		TEST(a_record_may_only_refer_to_what_is_there),
		TEST(what_is_in_use_cannot_be_deleted),
		TEST(users_of_a_volume_are_counted_whatever_a_record_says),
		TEST(a_fencing_token_never_shrinks),
		TEST(listing_goes_in_name_order_from_where_it_is_told_until_it_is_told),
		TEST(names_that_are_none_are_refused),
		TEST(the_longest_addresses_can_refer_to_each_other),
		TEST(another_process_sees_each_change_without_reopening),
		TEST(who_wants_to_hears_of_each_change_and_of_nothing_else),
		cmocka_unit_test(a_directory_that_was_never_made_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
