/* rspamd's learner: its controller's /learnspam and /learnham, over HTTP. Blocks its thread, for ten seconds
 * at most. */
#ifndef POD_FILTER_RSPAMD_H
#define POD_FILTER_RSPAMD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

/*
 * 0: learnt, known to rspamd already, or too short for it. -POD_E_UNAVAILABLE: it is not there, cannot now,
 * or does not take us, with this password; ask again later. -POD_E_NOTFOUND: either, as it answers 404 where
 * its redis is away, and, depending on its version and backend, where it knows the message. -POD_E_DENIED: it
 * does not take this message. err has its words.
 */
int rspamd_learn(const char *url, const char *password, bool spam, struct span message, struct err *err);

#endif
