/* Messages inside a batch: what every change that adds, alters or takes away messages is made of. */
#ifndef POD_STORE_INDEX_MESSAGE_H
#define POD_STORE_INDEX_MESSAGE_H

#include "store/index/batch.h"
#include "store/index/place.h"

struct message_summary {
	struct span envelope;
	struct detail detail;
};

/* -POD_E_QUOTA where the user's mail would come to more than the quota. */
int message_check_quota(const struct user_state *u, uint64_t bytes, struct err *err);
/* Makes sure that the next n uids of the mailbox are promised in its file before they are used. -POD_E_LIMIT. */
int message_reserve_uids(struct batch *b, struct mailbox_state *m, uint32_t n, struct err *err);
/* Names the file in staging/: from a body, which has its file from then on; from where another message's file is. */
int message_link(struct batch *b, const struct place_name *n, struct volume_body *body, struct err *err);
int message_link_copy(struct batch *b, const struct place_name *n, const struct mailbox_state *source,
                      const struct place_name *source_name, struct err *err);
/* The rows and counters of a new message, already named; uid is the mailbox's next. */
int message_add(struct batch *b, struct user_state *u, struct mailbox_state *m, const struct record *r,
                const struct message_summary *s, struct err *err);
/* New flags: row, log, counters, and the file's name to be changed behind. *r is updated. */
int message_set_flags(struct batch *b, struct mailbox_state *m, uint32_t uid, struct record *r, uint32_t flags,
                      struct err *err);
/* Rows and counters go; the file's removal is pending. vanished rows are the caller's (message_vanished). */
int message_remove(struct batch *b, struct user_state *u, struct mailbox_state *m, uint32_t uid,
                   const struct record *r, struct err *err);
int message_vanished(struct batch *b, struct mailbox_state *m, const struct uid_ranges *uids, struct err *err);

/* Messages picked from a mailbox, in uid order. */
struct picked {
	uint32_t uid;
	struct record r;
};
struct picks {
	struct picked *items;
	size_t n, cap;
};
typedef bool message_filter_fn(const void *arg, uint32_t uid, const struct record *r);
/* All of uids (n 0: all of the mailbox) that filter takes (NULL: all). Memory is the batch's. */
int message_pick(struct batch *b, const struct mailbox_state *m, const struct uid_ranges *uids,
                 message_filter_fn *filter, const void *arg, struct picks *ret, struct err *err);
int message_get_summary(struct batch *b, uint32_t mailbox, uint32_t uid, struct message_summary *ret, struct err *err);

/* Takes the picked messages away, with their vanished rows. *ret_uids: the change's arena a. */
int message_remove_all(struct batch *b, struct user_state *u, struct mailbox_state *m, const struct picks *p,
                       struct arena *a, struct uid_ranges *ret_uids, struct err *err);

#endif
