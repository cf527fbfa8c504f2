/* The addresses already seen while one is resolved: what makes loops end and each mailbox come once. */
#ifndef POD_DIRECTORY_ADDRESS_SET_H
#define POD_DIRECTORY_ADDRESS_SET_H

#include "base/arena.h"
#include "base/span.h"

struct address_set {
	struct span *slots; /* open addressing; a power of two of them; p NULL: free */
	size_t size, n;
};

/* 1: added; 0: it was there; -POD_E_NOMEM. The bytes are kept by reference. */
int address_set_add(struct address_set *set, struct arena *a, struct span address);

#endif
