/*
 * How far the standbys of a volume are, told to the mta's safety net as a moment of the wall clock: whatever the primary
 * acknowledged before it is on the disks of all standbys. It is found from two things that a primary says: how far its
 * own disk is (at the latest when it was asked, so that all acknowledged before the question is in it), and how far its
 * standbys' are. RUN_DIR/safe-VOLUME holds "<ms> <token>". One thread.
 */
#ifndef PODCTL_PODD_SAFE_MARK_H
#define PODCTL_PODD_SAFE_MARK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SAFE_MARK_POINTS 256

struct safe_mark {
	struct {
		int64_t asked_ms;
		uint64_t durable_lsn; /* of the primary, not before that */
	} points[SAFE_MARK_POINTS]; /* that the standbys have not reached, in order */
	unsigned int n;
	unsigned int every, polls; /* one in so many is remembered */
	uint64_t token;
	int64_t safe_ms; /* what was told last */
};

/*
 * A primary's status, asked for at asked_ms (wall clock) under the token. Returns whether the mark moved. Pure.
 * A standby that is not connected, or is still being made equal, holds it back.
 */
bool safe_mark_take(struct safe_mark *m, const json_t *status, int64_t asked_ms, uint64_t token);
/* Tells it. What cannot be written leaves the mta with an older mark, which costs it space and nothing else. */
void safe_mark_publish(const struct safe_mark *m, const char *run_dir, const char *volume);

#endif
