/*
 * Folders and small files that move right after the commit that says so. The rows are cleared by the next commit with
 * a syncfs, before which no other folder moves: so carrying them out again after a crash does nothing twice.
 */
#ifndef POD_STORE_INDEX_INTENTS_H
#define POD_STORE_INDEX_INTENTS_H

#include "base/err.h"

struct volume;

/*
 * Carries out all rows, in order; those carried out already are passed over. The lock `folders` is held. What fails
 * stays and is tried again later.
 */
int intents_run(struct volume *vol, struct err *err);

#endif
