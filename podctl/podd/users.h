/*
 * A user lives in two places: the directory (who, on which volume) and the volume's store (credentials,
 * mail). Both change together, or a half-made user is recognised by its state and cleared away:
 *
 *   add      directory "pending" -> store USER_ADD    -> directory "active"
 *   remove   directory "pending" -> store USER_REMOVE -> gone from the directory
 *
 * So whoever is "pending" and not under way here was left behind by a crash or by a store that did not
 * answer; the cleaner removes it at start, and again until the store has answered. Mail for a pending user is
 * refused.
 */
#ifndef PODCTL_PODD_USERS_H
#define PODCTL_PODD_USERS_H

#include "podctl/podd/podd.h"

#define USER_STATE_PENDING   "pending"
#define USER_STATE_ACTIVE    "active"
#define USER_STATE_SUSPENDED "suspended"

#define USERS_STORE_TIMEOUT_MS 15000

/* One change under way. */
struct user_op {
	const char *address;
	LIST_ENTRY(user_op) link;
};

/* Whether a change of the address is under way. */
bool users_busy(const struct podd *p, const char *address);

/* The folder's name: like the address, to be recognised, and with a random end, to be nobody's ever again. In
 * a; NULL where memory is out. */
char *users_make_id(struct arena *a, const char *address);

/* Calls done(arg, 0 or -POD_E_*, text) once, later or at once. A store that does not know the user is
 * content. */
typedef void users_done_fn(void *arg, int r, const char *text);
/* Ends the removal of a user that is marked pending: store, then directory. */
void users_remove(struct podd *p, const char *address, const char *volume, const char *user_id,
                  users_done_fn *done, void *arg);

/* Starts the cleaner; users_clean_soon wakes it. */
int users_cleaner_start(struct podd *p, struct err *err);
void users_clean_soon(struct podd *p);

#endif
