#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
	struct timespec ts;

	(void) clock_gettime(id, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
	return (uint64_t) now_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
	return clock_wall_us() / 1000;
}

int64_t clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

char *clock_format_iso(int64_t wall_ms, char *buf, size_t size)
{
	time_t s = (time_t) (wall_ms / 1000);
	struct tm tm;
	size_t n;

	(void) gmtime_r(&s, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void) snprintf(buf + n, size - n, ".%03dZ", (int) (wall_ms % 1000));
	return buf;
}
