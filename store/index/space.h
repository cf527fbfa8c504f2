/*
 * Room on the disk. The index's file is allocated ahead of what it holds, so that a commit does not run out of disk
 * half way, and so that flags and deletions go on when nothing else does: what adds mail is refused first.
 */
#ifndef POD_STORE_INDEX_SPACE_H
#define POD_STORE_INDEX_SPACE_H

#include <stdbool.h>

struct volume;

/* Whether changes that add data must be refused now. Writer's thread. */
bool space_is_short(struct volume *vol);

#endif
