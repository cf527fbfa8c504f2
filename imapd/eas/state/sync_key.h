/*
 * A synchronization key: "EPOCH.NUMBER", 16 hex digits and a decimal number. The epoch is drawn when a folder
 * is synchronized from the beginning, so that no key of before is ever taken for one of now; the number
 * counts the states that were given out since. "0" is the beginning. Pure.
 */
#ifndef POD_IMAPD_EAS_STATE_SYNC_KEY_H
#define POD_IMAPD_EAS_STATE_SYNC_KEY_H

#include "base/err.h"
#include "base/span.h"

#define EAS_SYNC_KEY_SIZE 40
#define EAS_SYNC_KEY_MAX  64 /* bytes that a client may send: MS-ASCMD 2.2.3.181 */

struct eas_sync_key {
	uint64_t epoch, number; /* number 0: the beginning */
};

/* -POD_E_SYNTAX: it is none that was given out. */
int eas_sync_key_parse(struct span text, struct eas_sync_key *ret_key);
void eas_sync_key_format(const struct eas_sync_key *key, char text[EAS_SYNC_KEY_SIZE]);

#endif
