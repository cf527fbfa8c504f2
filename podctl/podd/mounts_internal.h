/* What the files of mounts share: mounts.c counts users, mount_steps.c goes from one process to the next. */
#ifndef PODCTL_PODD_MOUNTS_INTERNAL_H
#define PODCTL_PODD_MOUNTS_INTERNAL_H

#include <limits.h>
#include <sys/un.h>

#include "podctl/podd/mounts.h"
#include "podctl/podd/process.h"
#include "podctl/podd/stack.h"

enum mount_state {
	MOUNT_ASKING,    /* the replica, whether it has the snapshot */
	MOUNT_SCRATCH,   /* nbdkit starts */
	MOUNT_ATTACHING, /* volattach starts */
	MOUNT_MOUNTED,
	MOUNT_DETACHING, /* volattach ends */
	MOUNT_ENDING,    /* nbdkit ends */
	MOUNT_GONE,      /* used still, by those who do not know yet */
};

struct waiter {
	mount_done_fn *done;
	void *arg;
	bool by_hand;
	SLIST_ENTRY(waiter) link;
};

/* Who let go of it by hand, and waits for its end. */
struct leaver {
	mount_gone_fn *gone;
	void *arg;
	SLIST_ENTRY(leaver) link;
};

struct mount {
	struct mounts *mounts;
	char volume[64], snapshot[64], site[STACK_SITE_NAME_SIZE];
	char dir[PATH_MAX], socket[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
	enum mount_state state;
	bool any_site;      /* none was named: the others are asked too */
	unsigned int asked; /* sites, a bit for each */
	struct process *scratch, *attach;
	struct event *look; /* whether nbdkit listens */
	uint64_t look_until_ms;
	bool socket_seen;
	size_t uses;
	bool by_hand;  /* one of the uses */
	int64_t since; /* seconds since 1970 */
	SLIST_HEAD(, waiter) waiters;
	SLIST_HEAD(, leaver) leavers;
	struct err err; /* why it could not be mounted */
	char said[200]; /* the last line of a program that ended */
	LIST_ENTRY(mount) link;
};

struct mounts {
	struct podd *podd;
	LIST_HEAD(, mount) list;
	size_t n;
	unsigned int last_number; /* of sockets */
	bool stopping;
	char dir[PATH_MAX]; /* where mounts lie */
};

/* mounts.c: answers all who wait; those whose answer is good use it from now on. */
void mount_answer(struct mount *m);
/* Tells those who let go of it. */
void mount_tell_leavers(struct mount *m);
void mount_free(struct mount *m);
/* Its site, and with it the place of the mount. -POD_E_LIMIT. */
int mount_set_site(struct mount *m, const char *site);

/* mount_steps.c: asks the replica for it, and goes on from there. Not begun where it fails. */
int mount_begin(struct mount *m, struct stack_site *site, struct err *err);
/* Takes it down step by step, and frees it. */
void mount_take_down(struct mount *m);
/* Its processes are gone: it is freed, or mounted again for those who wait, once nobody uses it. */
void mount_end(struct mount *m);

#endif
