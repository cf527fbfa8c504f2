/*
 * Good passwords, remembered for minutes: clients that log in every minute then cost no password hash. What is
 * kept is a digest under a key of this process, of user, password and credential version: it is of no use to
 * who reads it, and a new password makes another. Bounded; the oldest of a set makes room. Thread-safe.
 */
#ifndef POD_STORE_AUTH_REMEMBER_H
#define POD_STORE_AUTH_REMEMBER_H

#include "base/span.h"

struct remember;

/* for_ms 0: nothing is ever remembered. NULL where memory is out. */
struct remember *remember_create(uint64_t for_ms);
struct remember *remember_free(struct remember *m);

void remember_add(struct remember *m, struct span user_id, uint64_t credential_version, struct span password,
                  uint64_t now_ms);
/* Compares in constant time. */
bool remember_has(struct remember *m, struct span user_id, uint64_t credential_version, struct span password,
                  uint64_t now_ms);

#endif
