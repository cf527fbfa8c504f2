/* A change submitted and waited for, by a thread that may wait. */
#ifndef POD_STORE_INDEX_SUBMIT_WAIT_H
#define POD_STORE_INDEX_SUBMIT_WAIT_H

#include "store/index/index.h"

/* Returns the change's code; *err (may be NULL) is its error. done and owner are used by it. */
int volume_submit_wait(struct volume *vol, struct change *c, struct err *err);

#endif
