/*
 * How fast passwords may be guessed, for all front ends of a host together. Failures are counted for the network a try
 * comes from and for the user it names, and each makes the next try wait longer; nobody is ever locked out. Who logged
 * in from a network before is known there: strangers' tries at their name, and their neighbours', do not make them wait,
 * only failures of the same name from the same network do, and never for long.
 */
#ifndef POD_TALLY_LOGIN_H
#define POD_TALLY_LOGIN_H

#include "tally/tally.h"

struct login_rules {
	uint32_t free; /* failures of a user that cost nothing; a network has LOGIN_NETWORK_FACTOR times as many */
	uint32_t longest_ms; /* the longest wait */
};
#define LOGIN_NETWORK_FACTOR 4

/*
 * user: the canonical address, or what the client says instead, lower-case. network: as net_addr_network() says it for
 * 32 and 64 bits; empty for one that is not counted, say of a web mail program that all users come from.
 */
struct login_try {
	struct span user, network;
};

/* 0: the password may be looked at; -POD_E_BUSY: not before *ret_wait_ms. */
int login_may_try(struct tally *t, const struct login_rules *rules, const struct login_try *try, int64_t now_ms,
                  uint32_t *ret_wait_ms);
void login_failed(struct tally *t, const struct login_rules *rules, const struct login_try *try, int64_t now_ms);
void login_succeeded(struct tally *t, const struct login_try *try, int64_t now_ms);
/* An admin's word: what strangers did to a user's name is forgotten. */
void login_forgive(struct tally *t, struct span user);

#endif
