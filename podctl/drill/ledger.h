/*
 * What a drill was promised: each message it handed in with the time of its 250, and each flag whose STORE
 * was answered OK. Filled by the threads of the load, asked by all; every call locks.
 */
#ifndef PODCTL_DRILL_LEDGER_H
#define PODCTL_DRILL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger;

struct ledger_entry {
	unsigned int user;
	uint64_t sent_ms, acknowledged_ms; /* monotonic; 0: not yet, or never */
	bool flagged;                      /* acknowledged */
};

struct ledger *ledger_create(void);
struct ledger *ledger_free(struct ledger *l);

/* A new message's number; its row is there from now on. SIZE_MAX: memory is out. */
size_t ledger_begin(struct ledger *l, unsigned int user, uint64_t now_ms);
void ledger_acknowledged(struct ledger *l, size_t n, uint64_t now_ms);
void ledger_refused(struct ledger *l);
void ledger_flagged(struct ledger *l, size_t n);

size_t ledger_count(struct ledger *l); /* messages begun */
struct ledger_entry ledger_get(struct ledger *l, size_t n);

struct ledger_sums {
	size_t acknowledged, unknown, refused, flagged; /* unknown: the connection broke before the answer */
	uint64_t longest_ms;                            /* between handing in and 250 */
	uint64_t first_after_ms; /* when the first was acknowledged that was handed in after `after_ms`; 0:
	                            none */
};
struct ledger_sums ledger_sum(struct ledger *l, uint64_t after_ms);

#endif
