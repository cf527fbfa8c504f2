#include "replicator/core/schedule.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "replicator/core/record.h"

#define MINUTE_MS INT64_C(60000)

unsigned int schedule_spread_minutes(const uint8_t volume_id[16])
{
	return (unsigned int) (record_hash(volume_id, 16) % SCHEDULE_SPREAD);
}

int64_t schedule_slot_ms(int64_t now_ms, unsigned int spread_minutes)
{
	int64_t at = now_ms - spread_minutes * MINUTE_MS, into = at % SCHEDULE_PERIOD_MS;

	return at - (into < 0 ? into + SCHEDULE_PERIOD_MS : into);
}

int64_t schedule_next_due_ms(int64_t now_ms, unsigned int spread_minutes)
{
	return schedule_slot_ms(now_ms, spread_minutes) + SCHEDULE_PERIOD_MS + spread_minutes * MINUTE_MS;
}

void schedule_name(int64_t slot_ms, char name[SCHEDULE_NAME_SIZE])
{
	time_t seconds = (time_t) (slot_ms / 1000);
	struct tm tm;

	(void) gmtime_r(&seconds, &tm);
	(void) strftime(name, SCHEDULE_NAME_SIZE, "auto-%Y%m%dt%H%M%Sz", &tm);
}

bool schedule_name_parse(const char *name, int64_t *ret_slot_ms)
{
	struct tm tm = { 0 };
	const char *end = strptime(name, "auto-%Y%m%dt%H%M%Sz", &tm);
	char again[SCHEDULE_NAME_SIZE];
	int64_t slot_ms;

	if (!end || *end)
		return false;
	slot_ms = (int64_t) timegm(&tm) * 1000;
	if (slot_ms < 0 || slot_ms % SCHEDULE_PERIOD_MS)
		return false;
	schedule_name(slot_ms, again); /* strptime takes more than we write */
	if (strcmp(again, name) != 0)
		return false;
	*ret_slot_ms = slot_ms;
	return true;
}

/* Automatic ones that are not held, newer than slot_ms. */
static void count_newer(const struct schedule_snapshot *all, size_t n, int64_t slot_ms, size_t *ret_complete,
                        size_t *ret_others)
{
	int64_t slot;

	*ret_complete = *ret_others = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i].held || !schedule_name_parse(all[i].name, &slot) || slot <= slot_ms)
			continue;
		if (all[i].complete)
			++*ret_complete;
		else
			++*ret_others;
	}
}

size_t schedule_prune(const struct schedule_snapshot *all, size_t n, bool *ret_prune)
{
	size_t pruned = 0;

	for (size_t i = 0; i < n; i++) {
		size_t complete, others;
		int64_t slot;

		ret_prune[i] = false;
		if (all[i].held || !schedule_name_parse(all[i].name, &slot))
			continue;
		count_newer(all, n, slot, &complete, &others);
		ret_prune[i] = complete >= SCHEDULE_KEEP || (!all[i].complete && others >= SCHEDULE_KEEP);
		pruned += ret_prune[i];
	}
	return pruned;
}
