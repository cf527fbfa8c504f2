#include "mta/queue/schedule.h"

uint64_t queue_backoff_ms(uint32_t attempts, uint64_t min_ms, uint64_t max_ms, uint32_t random)
{
	uint64_t ms = min_ms;

	for (uint32_t i = 1; i < attempts && ms < max_ms; i++)
		ms *= 2;
	if (ms > max_ms)
		ms = max_ms;
	/* Messages that began to wait together do not come back together. */
	return ms - (ms / 10) * (random % 1000) / 1000;
}
