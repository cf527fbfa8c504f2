/* What a device sent lately, by ClientId. Pure; the bytes are the value of a state. */
#ifndef POD_IMAPD_EAS_SEND_MEMORY_H
#define POD_IMAPD_EAS_SEND_MEMORY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

#define SENT_MAX    200         /* that are remembered of a device: the newest */
#define SENT_KEEP_S (7 * 86400) /* and for so long; volumes know a delivery's id as long as that */

struct sent_entry {
	struct span client_id; /* 1 to 255 bytes */
	struct guid id;        /* of the delivery */
	int64_t at_s;
	bool done; /* the mta has taken it; else it may have */
};

struct sent_memory {
	struct sent_entry items[SENT_MAX + 1];
	size_t n;
};

/* value empty: nothing yet. Client ids point into value. -POD_E_CORRUPT. */
int sent_memory_unpack(struct span value, struct sent_memory *ret);
void sent_memory_pack(const struct sent_memory *m, struct buf *out);
struct sent_entry *sent_memory_find(struct sent_memory *m, struct span client_id);
/* Adds one that is not there, and forgets the old. */
struct sent_entry *sent_memory_add(struct sent_memory *m, struct span client_id, const struct guid *id,
                                   int64_t now_s);

#endif
