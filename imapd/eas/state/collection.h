/*
 * What is kept of a folder that a device synchronizes: two generations of its state. `now` is what the device
 * has once it knows the newest key; `before` is what it had when it asked with the key before, kept until a
 * request with the new key proves that the answer arrived. A request that comes again with the old key gets
 * the same answer again.
 *
 * One value of the store (store/index/states.h), read and written whole; docs/activesync.md says when. Pure;
 * all memory is of an arena.
 */
#ifndef POD_IMAPD_EAS_STATE_COLLECTION_H
#define POD_IMAPD_EAS_STATE_COLLECTION_H

#include "imapd/eas/state/uidset.h"

/* Uids that the answer to a request said something of. */
struct eas_sent {
	struct eas_uidset adds, changes, deletes, softs;
	struct eas_uidset refused; /* Changes of the device that were not carried out; token: the status */
};

/* An Add of the device: repeated, it is answered as the first time. */
struct eas_client_add {
	const char *client_id;
	uint32_t uid, status; /* uid 0: there is none */
};

struct eas_generation {
	uint64_t number;        /* of its key */
	uint64_t watermark;     /* the mailbox's modseq up to which all is in here */
	int64_t cutoff;         /* messages from before this time are not the device's; 0: all are */
	unsigned int filter;    /* FilterType */
	bool listed;            /* the mailbox was looked at as a whole: else nothing below is known yet */
	struct eas_uidset have; /* what the device holds, with the flags that it knows */
	/* What it is still to be told; no uid is in two of these. */
	struct eas_uidset adds, changes, deletes, softs;
	int64_t newest_add; /* date of the newest message to be added that a look has found; not kept */
	struct eas_uidset
		own; /* flagged messages that the device itself changed; token: low bits of that modseq */
	struct eas_sent sent;
	struct eas_client_add *client_adds;
	size_t client_adds_n, client_adds_cap;
};
void eas_generation_init(struct eas_generation *g, struct arena *a);
/* sent and client_adds are of one answer: a copy has none. */
void eas_generation_copy(struct eas_generation *to, const struct eas_generation *from, struct arena *a);
bool eas_generation_failed(const struct eas_generation *g);
/* NULL: not known. */
const struct eas_client_add *eas_generation_client_add(const struct eas_generation *g, struct span client_id);
int eas_generation_remember_add(struct eas_generation *g, struct arena *a, const struct eas_client_add *add);

/* Where MoveItems took a message: a move that is repeated is answered from here. */
struct eas_moved {
	uint32_t uid, to_uid;
	const char *to_folder;
};
#define EAS_MOVED_MAX 256

struct eas_collection_state {
	struct arena *a;
	uint64_t epoch;       /* of its keys */
	uint32_t uidvalidity; /* of the mailbox: another one, and nothing of this is true */
	unsigned int replays; /* how often the same old key has come since the last new one */
	/* Options that hold until others are sent. */
	unsigned int filter, conflict; /* conflict 1: the server wins */
	struct span item_options;      /* packed (item/options.h); empty: none were sent */
	struct eas_generation now, before;
	bool has_before;
	struct eas_moved *moved; /* the oldest first */
	size_t moved_n;
};

void eas_collection_init(struct eas_collection_state *c, struct arena *a);
int eas_collection_moved(struct eas_collection_state *c, const struct eas_moved *m);
const struct eas_moved *eas_collection_find_moved(const struct eas_collection_state *c, uint32_t uid);

/* out is failed where memory is out. */
void eas_collection_encode(const struct eas_collection_state *c, struct buf *out);
/* -POD_E_CORRUPT, -POD_E_NOMEM. Copies what it keeps. */
int eas_collection_decode(struct span bytes, struct arena *a, struct eas_collection_state *ret);

#endif
