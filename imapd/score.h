/*
 * Logins of all of imapd's services: how often somebody may try (tally/login.h, shared with the host's other
 * front ends), and what log and metrics hear of it.
 */
#ifndef POD_IMAPD_SCORE_H
#define POD_IMAPD_SCORE_H

#include "base/log.h"
#include "conf/conf.h"
#include "tally/login.h"

struct score {
	struct tally *tally;
	const struct guard_conf *guard;
	const struct log *log; /* the connection's */
};

/* The name that tries are counted under, which is the same however a client writes it: lower case, in place.
 */
void score_name(char *name);
/* 0, or -POD_E_BUSY: the password is not to be looked at before *ret_wait_ms, which is told to the log. */
int score_may_try(const struct score *s, const struct login_try *try, uint32_t *ret_wait_ms);
/*
 * How a login ended: 0 or -POD_E_*. address: for the log, as far as it is known. try NULL: it says nothing
 * about a password, for none was looked at.
 */
void score_keep(const struct score *s, const struct login_try *try, const char *address, int code);

#endif
