/*
 * When users logged in last. Nobody waits for a disk to log in: times are kept here and go into the index with the next
 * commit, and when the volume is closed. A crash, or a rebuild, may forget them. Thread-safe.
 */
#ifndef POD_STORE_INDEX_LOGINS_H
#define POD_STORE_INDEX_LOGINS_H

#include <pthread.h>

#include "base/span.h"
#include "store/maildir/layout.h"

struct login {
	char user_id[LAYOUT_USER_MAX + 1];
	int64_t at; /* seconds since 1970 */
	uint64_t mark;
};

struct logins {
	pthread_mutex_t lock;
	struct login *items; /* as many as users logged in: at most the volume's */
	size_t n, cap;
	uint64_t mark, saved; /* of the last one, and of the last in the index */
};

void logins_init(struct logins *l);
void logins_done(struct logins *l);
/* Where memory is out it is forgotten. */
void logins_note(struct logins *l, struct span user_id, int64_t at);
/* 0: not since the volume was opened. */
int64_t logins_at(struct logins *l, struct span user_id);
void logins_forget(struct logins *l, struct span user_id);
/* Calls fn, holding the lock, for each that is not in the index; returns what to tell logins_saved once they are. */
uint64_t logins_unsaved(struct logins *l, void (*fn)(void *arg, const struct login *login), void *arg);
void logins_saved(struct logins *l, uint64_t mark);

#endif
