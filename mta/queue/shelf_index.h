/*
 * The index of the queue: LMDB under queue_dir/index with items, summaries, and the ids of messages that left
 * a while ago. It knows what is settled, up to a segment of the journal. Read by any thread, changed by one
 * at a time.
 */
#ifndef POD_MTA_QUEUE_SHELF_INDEX_H
#define POD_MTA_QUEUE_SHELF_INDEX_H

#include "base/err.h"
#include "kv/kv.h"
#include "mta/queue/recent.h"

struct shelf_index {
	struct kv *kv;
	kv_table items, summaries;
	kv_table over; /* ids that left, see SHELF_REMEMBER_MS */
	kv_table state;
};

int shelf_index_open(struct shelf_index *ix, const char *queue_dir, struct err *err);
void shelf_index_close(struct shelf_index *ix);
/* The journal's segment up to which it has everything. */
int shelf_index_settled(struct shelf_index *ix, uint64_t *ret_segment, struct err *err);
/* 1: a message of this id is there, or was, unless it is to come again; 0. */
int shelf_index_knows(struct shelf_index *ix, const struct guid *id, bool again, struct err *err);
/* Takes over what became of messages in a segment; durable when it returns 0, else nothing changed. */
int shelf_index_settle(struct shelf_index *ix, struct recent *const *all, size_t n, uint64_t segment,
                       struct err *err);

#endif
