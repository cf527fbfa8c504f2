/* What the files of ahead_*.c share. */
#ifndef POD_STORE_INDEX_AHEAD_INTERNAL_H
#define POD_STORE_INDEX_AHEAD_INTERNAL_H

#include "store/index/volume_internal.h"

/* ---- ahead_wait.c: who got mail; under the lock ---- */

void ahead_note(struct ahead *ah, struct span user_id, uint32_t mailbox, uint64_t modseq);
void ahead_forget(struct ahead *ah);
/* Tells who watches. The writer's, which alone changes the list: takes the lock itself. */
void ahead_publish(struct volume *vol);

#endif
