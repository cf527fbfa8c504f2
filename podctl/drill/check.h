/* What is in the mailboxes of a drill, against what was promised. */
#ifndef PODCTL_DRILL_CHECK_H
#define PODCTL_DRILL_CHECK_H

#include "podctl/drill/load.h"

struct check_result {
	size_t checked, missing, doubled, flags_checked, flags_missing;
	uint64_t missing_oldest_ms; /* when the oldest that is missing was acknowledged; 0: none is */
};

/*
 * Looks at every mailbox by IMAP. Only what was acknowledged by `until` messages (their numbers are below it)
 * counts. A message that is still on its way (in the mta's queue) is waited for: look again while any is
 * missing, for as long as is worth it. -POD_E_*: a mailbox cannot be read.
 */
int check_once(const struct load_options *o, size_t until, struct check_result *ret, struct err *err);

#endif
