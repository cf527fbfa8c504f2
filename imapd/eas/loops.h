/*
 * Devices that send the very same request again and again: something in it or in our answer makes them, and
 * nothing but a pause ends it. Of each device the last few different requests are remembered, in a table of
 * fixed size: two devices that share a row forget each other. Pure; time is an argument.
 */
#ifndef POD_IMAPD_EAS_LOOPS_H
#define POD_IMAPD_EAS_LOOPS_H

#include <stdint.h>

#include "base/span.h"

#define LOOPS_ROWS     4096
#define LOOPS_REQUESTS 4 /* a loop may have several steps: Ping, Sync, Ping */

struct loops_request {
	uint64_t print;
	uint64_t first_ms, last_ms;
	uint32_t n;
};
struct loops_row {
	uint64_t device;
	struct loops_request requests[LOOPS_REQUESTS];
};
struct loops {
	struct loops_row rows[LOOPS_ROWS];
};

/* For prints: of some bytes, going on from another print (0: none). */
uint64_t loops_print(uint64_t print, struct span bytes);
/* 0: it may be served; else the seconds for which it is put off. max: of the same request in window_ms. */
uint32_t loops_seen(struct loops *l, uint64_t device, uint64_t request, uint32_t max, uint32_t window_ms,
                    uint64_t now_ms);

#endif
