/*
 * Words between the workers of one gateway: what one says reaches all others, unless they are too busy to
 * listen, when it is lost. Sockets are made before the workers are forked and outlive each of them.
 */
#ifndef POD_IMAPD_EAS_PARK_MESH_H
#define POD_IMAPD_EAS_PARK_MESH_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"

#define MESH_WORD_MAX 512

struct mesh;

/* For so many workers; before they are forked. */
int mesh_create(unsigned int workers, struct mesh **ret_mesh, struct err *err);
/* NULL is fine; returns NULL. */
struct mesh *mesh_free(struct mesh *m);

typedef void mesh_fn(void *arg, struct span word);
/* Worker number index (from 0) listens from here on. -POD_E_NOMEM. */
int mesh_listen(struct mesh *m, struct event_base *base, unsigned int index, mesh_fn *fn, void *arg,
                struct err *err);
/* To all others. At most MESH_WORD_MAX bytes. */
void mesh_say(struct mesh *m, struct span word);

#endif
