/*
 * A volume that is served under a newer fencing token than before was taken over. Where that was by force,
 * what the old primary acknowledged last is missing here, and clients may have seen it: its uids and modseqs
 * must not come again for something else. So counters go on at the reserves, above all that the old one gave
 * out, as after a rebuild: UIDNEXT and modseqs jump, and nothing changes its meaning.
 */
#ifndef POD_STORE_INDEX_SUCCESSION_H
#define POD_STORE_INDEX_SUCCESSION_H

#include "base/err.h"

struct volume;

/* Before any thread runs. Durable when it returns 0; done again where it was cut short. */
int succession(struct volume *vol, struct err *err);

#endif
