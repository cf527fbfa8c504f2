/*
 * Addresses that did not answer lately, so that the next attempt begins with another one. A fixed number is
 * kept; what is forgotten costs a time-out. One thread.
 */
#ifndef POD_MTA_OUTBOUND_MEMORY_H
#define POD_MTA_OUTBOUND_MEMORY_H

#include "net/listener.h"

struct memory;

struct memory *memory_create(void);           /* NULL where memory is out */
struct memory *memory_free(struct memory *m); /* NULL is fine; returns NULL */
void memory_mark_silent(struct memory *m, const struct net_addr *addr, uint64_t until_ms); /* clock_mono_ms */
void memory_mark_alive(struct memory *m, const struct net_addr *addr);
bool memory_is_silent(const struct memory *m, const struct net_addr *addr, uint64_t now_ms);

#endif
