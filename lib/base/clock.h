/* Time. Deadlines use the monotonic clock, so that a jump of the wall clock fires no timer. Thread-safe. */
#ifndef POD_BASE_CLOCK_H
#define POD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: for intervals and deadlines only. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
/* Wall-clock seconds, milliseconds and microseconds since 1970: for stamps that people read. */
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);

/* "2026-11-21T02:56:43.123Z" into buf, which holds at least CLOCK_ISO_SIZE bytes. Returns buf. */
#define CLOCK_ISO_SIZE 32
char *clock_format_iso(int64_t wall_ms, char *buf, size_t size);

#endif
