/*
 * A mailbox as one session sees it: which uid each message sequence number stands for, held as runs of
 * neighbouring uids, so that 100,000 messages that came in order cost one run. Pure; one owner.
 */
#ifndef POD_IMAPD_IMAP_VIEW_H
#define POD_IMAPD_IMAP_VIEW_H

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "storeproto/storeproto.h"

/* Messages seq, seq+1, ... have the uids uid, uid+1, ... up to the seq of the next run. */
struct imap_run {
	uint32_t seq, uid;
};

struct imap_view {
	struct imap_run *runs;
	size_t n, cap;
	uint32_t exists; /* messages */
};

struct imap_range {
	uint32_t first, last;
};

void imap_view_done(struct imap_view *v); /* frees; empty again */
/* Adds uids first..last, all above those that are there (others are left out). -POD_E_NOMEM. */
int imap_view_append(struct imap_view *v, uint32_t first, uint32_t last);
/* 0 where seq is above exists, or 0. */
uint32_t imap_view_uid(const struct imap_view *v, uint32_t seq);
/* 0 where no message has the uid. */
uint32_t imap_view_seq(const struct imap_view *v, uint32_t uid);
/* The sequence number of the first message with this uid or a higher one; exists + 1 where there is none. */
uint32_t imap_view_seq_from(const struct imap_view *v, uint32_t uid);
/* 0 for an empty view. */
static inline uint32_t imap_view_last_uid(const struct imap_view *v)
{
	return imap_view_uid(v, v->exists);
}
/* Takes the messages seq first..last away; later ones move down. -POD_E_NOMEM: nothing has changed. */
int imap_view_remove(struct imap_view *v, uint32_t first, uint32_t last);

/* Looks up ascending uids, each in constant time. Starts as { 0 }; the view must not change meanwhile. */
struct imap_view_cursor {
	size_t run;
};
uint32_t imap_view_cursor_seq(const struct imap_view *v, struct imap_view_cursor *c, uint32_t uid);

#endif
