/*
 * What a device knows of the folders, in two generations (docs/activesync.md): a request with the newest key
 * shows that its answer has arrived; one with the key before shows that it was lost.
 */
#ifndef POD_IMAPD_EAS_FOLDER_HIERARCHY_H
#define POD_IMAPD_EAS_FOLDER_HIERARCHY_H

#include "imapd/eas/eas.h"
#include "imapd/eas/folder/tree.h"
#include "imapd/eas/state/sync_key.h"

struct hierarchy_generation {
	uint64_t number; /* 0: there is none */
	struct eas_tree tree;
};

struct hierarchy {
	uint64_t epoch;
	struct hierarchy_generation now, before;
	uint64_t version; /* of the state in the store; 0: it is not there */
};

enum hierarchy_key {
	HIERARCHY_KEY_BAD,
	HIERARCHY_KEY_ZERO,
	HIERARCHY_KEY_NOW,
	HIERARCHY_KEY_BEFORE,
};

/* ---- pure ---- */

enum hierarchy_key hierarchy_judge(const struct hierarchy *h, struct span key);
/* What the device that sent such a key knows. */
const struct eas_tree *hierarchy_base(const struct hierarchy *h, enum hierarchy_key key);
/* The next generation, which was made for that key. HIERARCHY_KEY_ZERO begins anew with another epoch. */
void hierarchy_step(struct hierarchy *h, enum hierarchy_key key, const struct eas_tree *next);
/*
 * Folders that the device has let go of, in a: it sent a key of a generation without them, which were in the
 * one before it, or begins anew; and they are not in the store's tree. NULL where memory is out.
 */
const char **hierarchy_let_go(struct arena *a, const struct hierarchy *h, enum hierarchy_key key,
                              const struct eas_tree *store, size_t *ret_n);
/* The newest key. */
void hierarchy_key(const struct hierarchy *h, char text[EAS_SYNC_KEY_SIZE]);

/* -POD_E_CORRUPT: it is none of ours. All of it in a. */
int hierarchy_decode(struct arena *a, struct span bytes, struct hierarchy *ret_h);
/* SPAN_NONE where memory is out. In a. */
struct span hierarchy_encode(struct arena *a, const struct hierarchy *h);

/* ---- in the store; both suspend ---- */

/* One that is not there, or cannot be read, is empty: its keys are bad, and the device begins anew. */
int hierarchy_load(struct eas_request *rq, struct hierarchy *ret_h, struct err *err);
/* -POD_E_CONFLICT: another request of the device was quicker. */
int hierarchy_save(struct eas_request *rq, struct hierarchy *h, struct err *err);

#endif
