/*
 * What a device is to be told of a folder. A generation of its state takes in what the store says of the
 * mailbox (a list of all messages, or what changed since the watermark), and knows from then on what the
 * device lacks; a plan cuts the next answer out of that; what the answer really said goes back into the
 * generation. Pure: no store, no time, no I/O.
 *
 * A message with \Deleted is none to a device. What the device itself did is taken in as such, and never sent
 * back.
 */
#ifndef POD_IMAPD_EAS_SYNC_ENGINE_H
#define POD_IMAPD_EAS_SYNC_ENGINE_H

#include "imapd/eas/state/collection.h"

/* A message as the index has it. */
struct eas_row {
	uint32_t uid, flags;
	uint64_t modseq;
	int64_t date; /* internal, seconds since 1970 */
};

/* In a token: whatever the message has, the device knows something else. No message has that bit. */
#define EAS_TOKEN_STALE 0x80000000u
/* What of a message's flags a device is told. */
uint32_t eas_engine_token(uint32_t flags);
bool eas_engine_is_deleted(uint32_t flags);

/* ---- taking in ---- */

/* Whether the mailbox has to be listed: nothing is known of it, or the filter is another, or a day has gone.
 */
bool eas_engine_needs_list(const struct eas_generation *g, unsigned int filter, int64_t cutoff);

/* A list: begin, each message in uid order, end. modseq: of the mailbox, no newer than the list. */
struct eas_listing {
	struct eas_generation *g;
	struct eas_uidset seen;
};
void eas_engine_list_begin(struct eas_listing *l, struct eas_generation *g, unsigned int filter,
                           int64_t cutoff);
void eas_engine_list_row(struct eas_listing *l, const struct eas_row *row);
void eas_engine_list_end(struct eas_listing *l, uint64_t modseq);

/* Changes since the watermark: each row that changed, uids that vanished; then the new watermark. */
void eas_engine_row(struct eas_generation *g, const struct eas_row *row);
void eas_engine_vanished(struct eas_generation *g, uint32_t first, uint32_t last);
void eas_engine_seen_until(struct eas_generation *g, uint64_t modseq);

/* How much there is to tell: what GetItemEstimate says, and Ping looks at. */
uint64_t eas_engine_pending(const struct eas_generation *g);

/* ---- telling ---- */

enum eas_tell { EAS_TELL_DELETE, EAS_TELL_SOFT_DELETE, EAS_TELL_CHANGE, EAS_TELL_ADD };
struct eas_step {
	enum eas_tell tell;
	uint32_t uid;
};
struct eas_plan {
	struct eas_step *steps;
	size_t n;
	size_t first_row; /* from this step on they are changes and adds, which need the message's row */
};
/*
 * What to tell first, at most window: what goes, then changes, then new messages, the newest first. What is
 * in `first` (may be NULL) comes before all else: an answer that was lost. -POD_E_NOMEM.
 */
int eas_engine_plan(const struct eas_generation *g, const struct eas_sent *first, size_t window,
                    struct arena *a, struct eas_plan *ret_plan);

/* A step of the plan was written to the answer; of a change or an add with these flags, as of this modseq. */
void eas_engine_told(struct eas_generation *g, const struct eas_step *step, uint32_t flags, uint64_t modseq);
/* The message of a change or an add is no more, or has \Deleted now: nothing was written. */
void eas_engine_lost(struct eas_generation *g, const struct eas_step *step);

/* ---- an answer once more ---- */

/* The steps of the answer that `now` was made with, in the order of a plan. */
int eas_engine_replay(const struct eas_generation *now, struct arena *a, struct eas_plan *ret_plan);
/* Whether the message is still as that answer said it: then the answer is the same, and so is its key. */
bool eas_engine_is_as_told(const struct eas_generation *now, const struct eas_step *step, bool is_there,
                           uint32_t token);

/* ---- from one generation to the next ---- */

/* What the answer's key is to stand for; again: the answer of `now` was lost, and next was made of `before`.
 */
void eas_engine_step(struct eas_collection_state *s, const struct eas_generation *next, bool again);
/* There was nothing to tell: the key stays, and `now` knows what next has learnt of the mailbox. */
void eas_engine_stay(struct eas_collection_state *s, const struct eas_generation *next);

/* ---- what the device did ---- */

/*
 * It has the message, or has changed it: it knows these flags, while the message has those; the commit with
 * that modseq made them so (0: nothing was changed). Where the two differ, it is still to be told; also that
 * the message goes, where it is.
 */
void eas_engine_own(struct eas_generation *g, uint32_t uid, uint32_t known, uint32_t has, uint64_t modseq);
/* The same of a Change, which was about these bits of its flags, and made `has` out of `before`. */
void eas_engine_own_change(struct eas_generation *g, uint32_t uid, uint32_t bits, uint32_t before,
                           uint32_t has, uint64_t modseq);
/* A Change of the device was not carried out, and answered with that status. */
void eas_engine_refuse(struct eas_generation *g, uint32_t uid, uint32_t status);
/* So, because somebody else had changed the same: whatever it has made of it at its place, it is to be told
 * what it is. */
void eas_engine_refuse_conflict(struct eas_generation *g, uint32_t uid, uint32_t status);
/* Of a Change that comes again with the answer: the status that refused it; 0: none did. */
uint32_t eas_engine_refusal(const struct eas_generation *g, uint32_t uid);
/*
 * It is told where a message of its own is, as the first time, and somebody else removed that since: it is to
 * hear of it, unless the answer that comes again says so.
 */
void eas_engine_own_removed(struct eas_generation *g, uint32_t uid);
/* It has the message no more: deleted, or moved away. */
void eas_engine_own_gone(struct eas_generation *g, uint32_t uid);

#endif
