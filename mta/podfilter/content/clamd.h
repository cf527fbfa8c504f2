/*
 * A scan by clamd (clamd(8), INSTREAM). Blocks its thread, with a limit.
 */
#ifndef POD_FILTER_CONTENT_CLAMD_H
#define POD_FILTER_CONTENT_CLAMD_H

#include "base/err.h"
#include "base/span.h"
#include "net/listener.h"

struct clamd_scan {
	const struct net_addr *clamd;
	struct span bytes;
	uint64_t timeout_ms;        /* for all of it */
	void (*on_wait)(void *arg); /* every few seconds; may be NULL */
	void *arg;
};

/*
 * 0: nothing found; 1: something, whose name is in found.
 *   -POD_E_UNAVAILABLE  clamd is not there       -POD_E_TIMEOUT
 *   -POD_E_LIMIT        it does not take so much -POD_E_PROTOCOL  it said something else; err has its words
 */
int clamd_scan(const struct clamd_scan *s, char *found, size_t size, struct err *err);
/* One line of its answer, without the end: "stream: OK", "stream: NAME FOUND", "... ERROR". As clamd_scan. */
int clamd_answer_parse(struct span line, char *found, size_t size, struct err *err);

#endif
