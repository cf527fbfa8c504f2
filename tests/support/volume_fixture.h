/* A volume in a temporary folder, and changes submitted and waited for, in a line or two each. */
#ifndef POD_TESTS_VOLUME_FIXTURE_H
#define POD_TESTS_VOLUME_FIXTURE_H

#include "store/index/index.h"
#include "storeproto/storeproto.h"

struct fixture {
	char dir[64]; /* of the test; the volume is dir/vol */
	char path[80];
	struct volume_options o;
	struct volume *vol;
	struct arena *a;
	struct err err; /* of the last change */
	/* NULL, or told of each change that is answered: on the writer's thread, before its next commit begins. */
	void (*on_answered)(void *arg);
	void *answered_arg;
};

/* cmocka set-up and tear-down: *state is a struct fixture with an open, empty volume. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/*
 * The same by hand. base: where the folder is made; NULL for memory, so that a thousand syncfs of tests wait for nobody's
 * disk. Aborts where the machine fails.
 */
void fixture_make(struct fixture *f, const char *base);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_remove(struct fixture *f);

/* Submits and waits for done; returns the change's code. */
int fixture_run(struct fixture *f, struct change *c);
/* A change of a kind for a user. */
struct change fixture_change(struct fixture *f, enum change_kind kind, const char *user);

int fixture_user_add(struct fixture *f, const char *user, uint64_t quota);
/* Delivers text to one user; returns the recipient's code. *ret_uid may be NULL; id NULL: a new one. */
int fixture_deliver(struct fixture *f, const char *user, const char *mailbox, const char *text, const struct guid *id,
                    uint32_t *ret_uid);
int fixture_append(struct fixture *f, const char *user, const char *mailbox, const char *text, uint32_t flags,
                   const char *keyword, uint32_t *ret_uid);
int fixture_flags(struct fixture *f, const char *user, uint32_t mailbox, uint32_t first, uint32_t last, int mode,
                  uint32_t flags, const char *keyword);
int fixture_mailbox_op(struct fixture *f, enum change_kind kind, const char *user, const char *name, const char *new_name);
/* By name; fails the test where it is missing. Strings live as long as the fixture's arena. */
struct volume_mailbox fixture_mailbox(struct fixture *f, const char *user, const char *name);
/* SELECT or EXAMINE; fails the test where it is missing. */
struct volume_opened fixture_open_mailbox(struct fixture *f, const char *user, const char *name,
                                          enum volume_open_mode mode);
/* "1:3,5 ": what the index has, as "uid flags;" in uid order. */
const char *fixture_rows(struct fixture *f, const char *user, const char *name);
/* The message's bytes as text. */
const char *fixture_body(struct fixture *f, const char *user, uint32_t mailbox, uint32_t uid);
/* Waits until nothing is pending. */
void fixture_settle(struct fixture *f);
/* Files under a folder of the volume, counted; -1 where there is none. */
int fixture_count_files(struct fixture *f, const char *folder);

#endif
