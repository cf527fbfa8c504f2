/*
 * A set of uids, each with a token: what a device holds of a folder, and what it is to be sent. Neighbours
 * with the same token are one run, so that a folder whose mail is read takes a few bytes however large it is.
 * Pure; memory is of an arena, and a set whose arena is out is marked failed and stays as it was.
 */
#ifndef POD_IMAPD_EAS_STATE_UIDSET_H
#define POD_IMAPD_EAS_STATE_UIDSET_H

#include "base/arena.h"
#include "base/buf.h"

struct eas_run {
	uint32_t first, last, token;
};
struct eas_uidset {
	struct arena *a;
	struct eas_run *r; /* ascending, disjoint; no two that could be one */
	size_t n, cap;
	bool failed;
};

void eas_uidset_init(struct eas_uidset *s, struct arena *a);
/* to is as from, in its own arena. */
void eas_uidset_copy(struct eas_uidset *to, const struct eas_uidset *from);
static inline void eas_uidset_clear(struct eas_uidset *s)
{
	s->n = 0;
}

bool eas_uidset_get(const struct eas_uidset *s, uint32_t uid,
                    uint32_t *ret_token); /* ret_token may be NULL */
/* All uids from first to last have this token now. 1 <= first <= last. */
void eas_uidset_put(struct eas_uidset *s, uint32_t first, uint32_t last, uint32_t token);
void eas_uidset_remove(struct eas_uidset *s, uint32_t first, uint32_t last);
uint64_t eas_uidset_count(const struct eas_uidset *s);

/* Adds to out what of a is not in b; with tokens, also what has another token there. */
enum eas_compare { EAS_COMPARE_UIDS, EAS_COMPARE_TOKENS };
void eas_uidset_subtract(const struct eas_uidset *a, const struct eas_uidset *b, enum eas_compare how,
                         struct eas_uidset *out);

/* The index of the first run that ends at uid or behind it; n: there is none. */
size_t eas_uidset_find(const struct eas_uidset *s, uint32_t uid);

/* Numbers of a state, 7 bits a byte, the lowest first. -POD_E_CORRUPT where in ends before, or it is no
 * canonical one. */
void eas_put_number(struct buf *out, uint64_t v);
int eas_take_number(struct span *in, uint64_t *ret);

/* -POD_E_CORRUPT: what is there is no set. Takes it off *in. */
void eas_uidset_encode(const struct eas_uidset *s, struct buf *out);
int eas_uidset_decode(struct span *in, struct eas_uidset *ret);

#endif
