/* Whether a message of a source is what was asked for. */
#ifndef POD_STORE_RESTORE_CHOOSE_H
#define POD_STORE_RESTORE_CHOOSE_H

#include "store/maildir/parser.h"
#include "store/restore/restore.h"

/* Whether single messages are asked for, not all of a mailbox or a user. */
bool wish_is_narrow(const struct restore_wish *w);

/*
 * What its name says is looked at first; only where more has to be known (its header, or a line of a listing)
 * is it parsed, by p's child: *ret_parsed then says what it is, in a.
 */
int choose(const struct restore_wish *w, const struct source *s, struct parser *p, struct arena *a,
           const struct source_message *m, bool *ret_chosen, struct parsed *ret_parsed, struct err *err);

#endif
