/*
 * States: small named values that front ends keep with a user's account (an ActiveSync device's sync state,
 * say). A value lies in a file of its own (maildir/state_file.h), made in staging/ before the syncfs that its
 * commit makes anyway; the index has a row with its version and size. Right after the commit the file of the
 * version before goes, and the new one moves to the user's folder. A version is the commit's modseq and a
 * number in it: never given out twice, also not after a rebuild.
 *
 * In a batch; the writer's thread only.
 */
#ifndef POD_STORE_INDEX_STATES_H
#define POD_STORE_INDEX_STATES_H

#include "store/index/batch.h"
#include "store/maildir/state_file.h"

#define STATES_MAX       20000 /* of a user */
#define STATES_BYTES_MAX ((uint64_t) 64 << 20)

/* A file that this batch made, and the one before it. */
struct state_made {
	struct span user_id, name;
	uint64_t version, replaces; /* replaces 0: none */
	bool gone;
	struct state_made *before;
};

/* Rows and file of one change that was checked. *ret_version 0 where it removes. */
int states_put(struct batch *b, struct user_state *u, const struct state_put *put, uint64_t *ret_version,
               struct err *err);
/* After the commit: files of versions before go, and the new ones move into their place. */
void states_committed(struct batch *b);
/* It came to nothing: files that were made go. */
void states_undone(struct batch *b);
/*
 * A file that a crash left in staging/: moved where its commit came to be, else removed, and what it replaced
 * is removed too. 1; 0 where it is no state's. Before any thread runs.
 */
int states_recover(struct volume *vol, const char *staged, struct err *err);

#endif
