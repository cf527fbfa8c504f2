/*
 * The way of each message, kept longer than the log and found without reading it: DIR/log/trace holds the log lines
 * that name a message (trace=ID), in segments, each with an index of messages, senders and recipients beside it.
 *
 *   <start, ms>.log   the lines, as they came; a segment ends with its day, or when it is large
 *   <start, ms>.idx   runs of {hash, offset}, each sorted; what is in no run yet is in memory, and read again from the
 *                     lines after a crash
 *
 * The oldest segments go when they are too old, or all together too large. One thread; writing never waits for the disk
 * to be durable, reading is bounded by the caller.
 */
#ifndef PODCTL_PODD_TRACEBOOK_H
#define PODCTL_PODD_TRACEBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct tracebook;

struct tracebook_limits {
	uint64_t keep_ms;
	uint64_t max_bytes; /* of all segments with their indexes */
};

/* Opens the folder, makes it where it is missing, and indexes what a crash left without. */
int tracebook_open(const char *dir, const struct tracebook_limits *limits, int64_t now_ms,
                   struct tracebook **ret_book, struct err *err);
/* NULL is fine; returns NULL. */
struct tracebook *tracebook_close(struct tracebook *book);
void tracebook_set_limits(struct tracebook *book, const struct tracebook_limits *limits);
/*
 * Keeps the line, if it names a message. What the disk refuses is lost: the log has it still. Returns a negative code
 * the first time that happens, so that it is said once.
 */
int tracebook_add(struct tracebook *book, struct span line, int64_t now_ms, struct err *err);

/* Called with each line found, in the order they came, until it returns false. The line lives during the call only. */
typedef bool tracebook_fn(void *arg, struct span line);

/* All lines of the message `trace`; those too where it is the report about another message. */
int tracebook_of_message(struct tracebook *book, const char *trace, tracebook_fn *fn, void *arg, struct err *err);

struct tracebook_query {
	const char *from, *to; /* addresses, any case; NULL: anybody */
	int64_t since_ms, until_ms; /* 0: as far back, or forth, as there is anything */
};
/* Lines that name the people asked for (any of their lines where nobody is), of the time asked for. */
int tracebook_search(struct tracebook *book, const struct tracebook_query *q, tracebook_fn *fn, void *arg,
                     struct err *err);

#endif
