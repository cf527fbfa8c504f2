/*
 * The kernel's nbd sends with memory that is set aside for it when nothing else is left (__GFP_MEMALLOC), and
 * drops the connection when that is used up as well: in 256 MiB with dirty pages of the very volume this
 * happened after minutes. How much is set aside is vm.min_free_kbytes, which Linux makes small on small
 * machines.
 */
#ifndef REPLICATOR_ATTACH_RESERVE_H
#define REPLICATOR_ATTACH_RESERVE_H

#include <stdint.h>

/* What a machine with so much memory should set aside: a sixteenth, at most 64 MiB. */
uint64_t reserve_wanted_kib(uint64_t memory_kib);
/* Sets more aside where it is less; never takes it back. Logs what it did, or that it may not. */
void reserve_raise(void);

#endif
