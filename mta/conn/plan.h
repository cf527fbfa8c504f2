/*
 * The way of one message: which mailboxes its recipients stand for, grouped by volume, what became of each,
 * and what follows from that: the reply, and what the queue has to take over. Pure: no I/O; all memory is
 * the message's arena.
 */
#ifndef POD_MTA_PLAN_H
#define POD_MTA_PLAN_H

#include "directory/directory.h"
#include "mta/deliver/deliver.h"
#include "mta/smtp/smtp.h"

/* One recipient's way to one mailbox or remote address. */
struct plan_link {
	const struct smtp_rcpt *rcpt;
	size_t rcpt_no; /* in the order of RCPT */
	const char *address;
	const char *volume, *user_id; /* NULL: a remote address */
	const char *detail;
	size_t same_as; /* another recipient leads to the same mailbox: the index of that link, else its own */
	enum deliver_verdict verdict;
	int code;
	const char *text;
};

struct plan {
	struct arena *arena;
	struct plan_link *links; /* those of one volume stand together, remote ones last */
	size_t n;
};

/* What one volume gets: links first to first + n - 1, without those that are the same as an earlier one. */
struct plan_volume {
	const char *volume;
	size_t first, n;
	const struct deliver_mailbox *mailboxes;
	size_t *link_of; /* of each mailbox */
	size_t n_mailboxes;
};

/* mail->rcpts[i]->host are the struct directory_targets found at RCPT. -POD_E_NOMEM. */
int plan_make(const struct smtp_mail *mail, struct plan *ret_plan);
/* The volume whose links start at *at, which moves on; false at the end (the remote ones are no volume). */
bool plan_volume_next(const struct plan *plan, size_t *at, struct plan_volume *ret_volume, int *ret_r);
/* Takes down what a volume answered. results NULL: it is not known. */
void plan_note(struct plan *plan, const struct plan_volume *v, const struct deliver_result *results);

/* What the queue has to do about a link. */
enum plan_rest { PLAN_NOTHING, PLAN_QUEUE, PLAN_TELL_FAILED, PLAN_TELL_DELIVERED };

/*
 * When all is noted: statuses for the reply, one for all (n_statuses 1) or for each recipient (per_rcpt), and
 * for each link what is left to the queue. *ret_rest says whether anything is. Where nothing of a message
 * (of a recipient, with per_rcpt) is durable or queued, it is refused, and its sender keeps it.
 */
void plan_settle(struct plan *plan, bool per_rcpt, struct smtp_status *ret_statuses, size_t n_statuses,
                 enum plan_rest *ret_rests, bool *ret_rest);

#endif
