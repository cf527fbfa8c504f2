/* A set of GUIDs: which messages a mailbox has. Filled, then sealed, then asked. */
#ifndef POD_STORE_RESTORE_GUIDS_H
#define POD_STORE_RESTORE_GUIDS_H

#include "base/arena.h"
#include "base/id.h"

struct guids {
	struct arena *a;
	struct guid *items;
	size_t n, cap;
};

int guids_add(struct guids *g, const struct guid *id); /* -POD_E_NOMEM */
void guids_seal(struct guids *g);
/* Its place, the same at each look; SIZE_MAX where it is not there. */
size_t guids_find(const struct guids *g, const struct guid *id);

#endif
