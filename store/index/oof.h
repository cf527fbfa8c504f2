/* Mail that is answered while its user is away (RFC 3834): decided in the batch that takes it in. Writer's
 * thread only. */
#ifndef POD_STORE_INDEX_OOF_H
#define POD_STORE_INDEX_OOF_H

#include "store/index/batch.h"
#include "store/index/index.h"

/*
 * Whether a message that was just put into a mailbox of u is answered, and with what: rcpt->answer. Who is
 * answered is remembered in the same commit, with the account, so that nobody is answered twice in a while,
 * whatever is restarted, fails over or is rebuilt. What fails here fails no delivery; 0, or the error of a
 * row, which the batch knows.
 */
int oof_answer(struct batch *b, struct user_state *u, const struct change *c, struct deliver_recipient *rcpt);

#endif
