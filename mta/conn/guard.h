/*
 * Who gets in, and who may stay: limits for each network that all workers keep together, the delay before the greeting
 * of clients nobody knows, refusals while the worker is overloaded, and the end of clients that are too slow. One per
 * worker; nothing here has a thread, or a timer for each connection.
 */
#ifndef POD_MTA_GUARD_H
#define POD_MTA_GUARD_H

#include "base/err.h"
#include "net/listener.h"
#include "tally/tally.h"

struct worker;
struct door;
struct smtp_conn;

/* Of a connection: what is counted for it. */
struct guard_ticket {
	struct tally_key address, network;
	bool counted;
	bool known; /* has delivered before, or is one of ours: it is greeted at once */
};

int smtp_guard_start(struct worker *w, struct err *err);
void smtp_guard_stop(struct worker *w);

/* May it come in? NULL, and *ret_ticket, to be given back at its end; or the reply that it gets instead. */
const char *smtp_guard_admit(const struct door *d, const struct accepted *a, struct guard_ticket *ret_ticket);
void smtp_guard_leave(struct worker *w, struct guard_ticket *ticket);
/* How long it waits for its greeting; 0: not at all. */
uint64_t smtp_guard_greet_delay_ms(const struct door *d, const struct guard_ticket *ticket);
/* It delivered something: next time it does not wait. */
void smtp_guard_vouch(struct worker *w, const struct guard_ticket *ticket);

bool smtp_guard_is_short_of_memory(const struct worker *w);
/* From three quarters of what the worker may have on, messages go to files instead of memory. */
bool smtp_guard_spares_memory(const struct worker *w);
/* A message was answered: how long its volumes took. */
void smtp_guard_note_latency(struct worker *w, uint64_t us);

#endif
