/*
 * When the automatic snapshots of a volume are taken, what they are called, and which of them are no longer
 * kept. Pure: time is an argument (unix milliseconds, UTC).
 *
 * Slots are 00:00, 08:00 and 16:00 UTC. A volume's snapshot of a slot is due some minutes later, how many
 * hangs on the volume's id, so that not all volumes of a host are cut at once. It is named by its slot, not
 * by the moment: whoever looks again after a restart, at whichever site, finds it by name.
 */
#ifndef REPLICATOR_CORE_SCHEDULE_H
#define REPLICATOR_CORE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_PERIOD_MS (INT64_C(8) * 3600 * 1000)
#define SCHEDULE_SPREAD    60u /* minutes, less than a period */
#define SCHEDULE_KEEP      5u
#define SCHEDULE_NAME_SIZE 32 /* "auto-20261126t080000z": snapshots have no capitals */

/* 0 to SCHEDULE_SPREAD - 1. */
unsigned int schedule_spread_minutes(const uint8_t volume_id[16]);
/* The newest slot whose snapshot is due at now. It is to be taken where there is none of its name, also late.
 */
int64_t schedule_slot_ms(int64_t now_ms, unsigned int spread_minutes);
/* When the next one is due: later than now. */
int64_t schedule_next_due_ms(int64_t now_ms, unsigned int spread_minutes);

void schedule_name(int64_t slot_ms, char name[SCHEDULE_NAME_SIZE]);
/* Whether name is one of an automatic snapshot (years 1970 to 9999), and of which slot. */
bool schedule_name_parse(const char *name, int64_t *ret_slot_ms);

/* A snapshot as it is known to be at the volume's sites. */
struct schedule_snapshot {
	const char *name;
	bool held;
	bool complete; /* confirmed at every site that is to have it */
};

/*
 * Which of n snapshots (in any order) go, at every site: automatic ones that are not held, older than
 * SCHEDULE_KEEP complete ones. So none goes before the newest is complete. One that is not complete also goes
 * where SCHEDULE_KEEP newer ones are not complete either: while a site is away they would become ever more,
 * and crowd the complete ones out. Returns how many.
 */
size_t schedule_prune(const struct schedule_snapshot *all, size_t n, bool *ret_prune);

#endif
