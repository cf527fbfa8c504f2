#include "imapd/eas/sync/filter.h"

#include "base/cleanup.h"

#define DAY 86400

int64_t eas_filter_cutoff(unsigned int filter, int64_t now)
{
	static const int64_t days[] = { 0, 1, 3, 7, 14, 31 };

	filter &= ~EAS_FILTER_CONVERSATIONS;
	if (filter >= ARRAY_SIZE(days) || days[filter] == 0 || now <= days[filter] * DAY)
		return 0;
	return (now - days[filter] * DAY) / DAY * DAY;
}
