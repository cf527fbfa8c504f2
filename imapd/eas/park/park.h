/*
 * Devices that wait: of each only its connection, what it waits for and a few bytes of its command's stay.
 * One watch of the store for each account wakes them. On the event loop's thread.
 */
#ifndef POD_IMAPD_EAS_PARK_PARK_H
#define POD_IMAPD_EAS_PARK_PARK_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "imapd/eas/eas.h"

#define PARK_BUCKETS 1024

struct eas_service;
struct parked;

/* All that wait in a worker, by their device's id. */
struct park {
	TAILQ_HEAD(park_bucket, parked) buckets[PARK_BUCKETS];
	bool draining;
};

void park_init(struct park *p);
/* Another worker said what waits there: the word of a mesh_fn, arg is the struct eas_service. */
void park_on_word(void *arg, struct span word);
/* Wakes all of them, and those that come later at once, with EAS_WAKE_SHUTDOWN. */
void park_drain(struct park *p);

#endif
