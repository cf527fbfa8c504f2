/*
 * What became of messages since a segment of the journal began, in memory: each message's newest record, and
 * of a new one all there is. It is read before the index, which knows nothing of it until the segment is
 * settled, and what is settled is this, not the changes one by one: of a message that came and went meanwhile
 * nothing is left but its id.
 *
 * One thread at a time: the loop's while changes come, then nobody changes it any more and the settling
 * thread may read it, too.
 */
#ifndef POD_MTA_QUEUE_RECENT_H
#define POD_MTA_QUEUE_RECENT_H

#include "base/buf.h"
#include "base/id.h"
#include "mta/queue/table.h"

/* A message. */
struct recent {
	struct table_entry entry; /* first */
	struct guid id;
	struct buf item;          /* packed; not of one that is gone */
	struct buf summary, body; /* of a whole one */
	bool whole;               /* a new one, with all there is of it */
	bool in_file;             /* its body is in its file already, and not here */
	bool in_index;            /* the index may know it */
	bool gone;
};

struct recents {
	uint64_t segment; /* of the journal; 0: none yet */
	struct table table;
};

/* NULL where memory is out. */
struct recent *recent_new(void);
struct recent *recent_free(struct recent *r); /* NULL is fine; returns NULL */

/* -POD_E_NOMEM. */
int recents_init(struct recents *rs);
void recents_done(struct recents *rs);
/* Empty again, for a segment. */
void recents_clear(struct recents *rs, uint64_t segment);

struct recent *recents_find(const struct recents *rs, const struct guid *id);
/* Takes r, which has its id by now, and makes it its message's newest state. */
void recents_add(struct recents *rs, struct recent *r);
/* All by id, to be freed with free(). NULL where memory is out. */
struct recent **recents_sorted(const struct recents *rs);

#endif
