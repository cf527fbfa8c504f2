/* rspamd's learner: its controller's /learnspam and /learnham, over HTTP. Blocks its thread, for ten seconds
 * at most. */
#ifndef POD_FILTER_RSPAMD_H
#define POD_FILTER_RSPAMD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

/*
 * 0: learnt, or known to rspamd already. -POD_E_UNAVAILABLE: it is not there, or cannot now; ask again later.
 * -POD_E_DENIED: it does not take this message, or us; err has its words.
 */
int rspamd_learn(const char *url, const char *password, bool spam, struct span message, struct err *err);

#endif
