/* Any bytes as a login name or recipient, asked of a directory that has aliases in a loop, a group, a
 * catch-all. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "directory/directory.h"

static char top[] = "/tmp/podmail-fuzz-XXXXXX", path[64];
static struct directory *dir;

static void remove_all(void)
{
	static const char *const files[] = { "/data.mdb", "/lock.mdb", "" };
	char name[80];

	dir = directory_close(dir);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void) snprintf(name, sizeof(name), "%s%s", path, files[i]);
		(void) remove(name);
	}
	(void) rmdir(top);
}

static void create(enum directory_kind kind, const char *name, const ProtobufCMessage *record)
{
	if (directory_create(dir, kind, span_of(name), record, NULL) < 0)
		abort();
}

static void alias(const char *name, char *first, char *second, bool replace)
{
	Directory__Alias a = DIRECTORY__ALIAS__INIT;
	char *targets[] = { first, second };

	a.n_targets = 2;
	a.targets = targets;
	if ((replace ? directory_replace : directory_create)(dir, DIRECTORY_ALIAS, span_of(name), &a.base,
	                                                     NULL) < 0)
		abort();
}

static void populate(void)
{
	static char id[] = "id", vol[] = "v", active[] = "active", home[] = "d.test", a[] = "a@d.test",
		    b[] = "b+x@d.test", l1[] = "l1@d.test", l2[] = "l2@d.test", far[] = "Far@far.test";
	char *members[] = { l1, far, a };
	Directory__Pod pod = DIRECTORY__POD__INIT;
	Directory__Volume volume = DIRECTORY__VOLUME__INIT;
	Directory__Domain domain = DIRECTORY__DOMAIN__INIT;
	Directory__User user = DIRECTORY__USER__INIT;
	Directory__Group group = DIRECTORY__GROUP__INIT;

	pod.domain = home;
	volume.id = user.user_id = id;
	volume.state = user.state = active;
	user.volume = vol;
	domain.subaddressing = true;
	create(DIRECTORY_POD, "p", &pod.base);
	create(DIRECTORY_VOLUME, "v", &volume.base);
	create(DIRECTORY_DOMAIN, home, &domain.base);
	create(DIRECTORY_USER, a, &user.base);
	create(DIRECTORY_USER, "b@d.test", &user.base);
	alias(l1, a, b, false);
	alias(l2, l1, far, false);
	alias(l1, l2, b, true);
	alias("@d.test", a, l1, false);
	group.members = members;
	group.n_members = ARRAY_SIZE(members);
	group.members_only = true;
	create(DIRECTORY_GROUP, "g@d.test", &group.base);
}

static void set_up(void)
{
	if (!mkdtemp(top))
		abort();
	(void) snprintf(path, sizeof(path), "%s/d", top);
	if (atexit(remove_all) != 0 || directory_open_writer(path, &dir, NULL) < 0)
		abort();
	populate();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct span rest, name = span_split(span_make(data, len), '\n', &rest);
	struct directory_targets targets = { 0 };
	struct directory_volume volume;
	struct directory_user user;
	int r;

	if (!dir)
		set_up();
	r = directory_resolve(dir, a, name, &targets, NULL);
	assert(r != 0 || targets.n > 0);
	for (size_t i = 0; i < targets.n; i++)
		assert(targets.items[i].address && targets.items[i].detail &&
		       (targets.items[i].kind == TARGET_REMOTE || targets.items[i].volume));
	r = directory_user_find(dir, a, name, &user, NULL);
	assert(r != 0 || targets.n == 1); /* who can log in gets their mail */
	(void) directory_volume_find(dir, a, name, &volume, NULL);
	(void) directory_domain_find(dir, name, NULL);
	(void) directory_sender_check(dir, name, rest, NULL);
	return 0;
}
