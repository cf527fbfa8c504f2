/*
 * Milters: the MTA's side of the mail filter protocol of Sendmail, versions 6 down to 2. A worker has a set
 * of them for each listener; a session asks its chain, which asks one after the other. Everything runs on the
 * worker's event loop and nothing blocks: a slow milter delays the sessions that wait for it and no others.
 *
 *   connect, helo, mail, rcpt, data, unknown   milter_chain_ask; the answer comes by the callback
 *   header and body                            are shown as they come in, from the session's spool: a milter
 * that is slower than the client lags behind, at no cost but the spool's end milter_chain_ask; then the
 * changes are the session's to carry out
 *
 * A milter behind one that may change header or body is shown the message at its end, as changed. What
 * becomes of a message when a milter fails is that milter's setting (on_failure); one that failed is asked
 * again with the next message.
 */
#ifndef POD_MTA_MILTER_MILTER_H
#define POD_MTA_MILTER_MILTER_H

#include <event2/event.h>

#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "conf/conf.h"
#include "mta/milter/counters.h"
#include "mta/milter/talk.h"
#include "mta/spool/spool.h"

/* ---- the milters of a listener ---- */

struct milter_set;

struct milter_set_options {
	const struct conf_records *milters; /* of struct conf_milter; copied */
	size_t memory_per_message; /* of a body that a milter puts in a message's place; as spool_create takes
	                              them */
	const char *tmp_dir;       /* copied */
	const struct milter_counted *counted; /* where they are counted; may be NULL */
};

/* *ret_set is NULL where there are no milters. -POD_E_NOMEM, -POD_E_SYNTAX. */
int milter_set_create(struct event_base *base, const struct milter_set_options *o,
                      struct milter_set **ret_set, struct err *err);
/* Sessions under way keep what they began with. Freed with the last; idle connections are closed then. NULL
 * is fine. */
struct milter_set *milter_set_unref(struct milter_set *set);

/* For whoever keeps it beside its owner; ended by milter_set_unref. */
struct milter_set *milter_set_ref(struct milter_set *set);
/* How many it has; 0 for NULL. */
size_t milter_set_size(const struct milter_set *set);
/* One of them, in the order in which they are asked, valid as long as the set; *ret_idle, which may be NULL:
 * connections to it that wait for the next session. */
const struct conf_milter *milter_set_at(const struct milter_set *set, size_t i, size_t *ret_idle);

/* ---- a session's chain of them ---- */

struct milter_chain;

struct milter_question {
	enum milter_stage stage;   /* CONNECT, HELO, MAIL, RCPT, DATA, UNKNOWN or END */
	struct milter_words words; /* copied */
	bool refused; /* RCPT: we refuse this one; told to those who want to know, whatever they say of it */
	const struct log *log; /* for what happens from here on */
};

/*
 * The answer to a question, once, inside milter_chain_ask or later: GO_ON, REFUSE, DISCARD or DROP. Texts
 * hold during the call. The chain may be freed inside.
 */
typedef void milter_answer_fn(void *arg, const struct milter_verdict *verdict);

/* facts are the session's, current whenever something is asked or shown. NULL where memory is out. */
struct milter_chain *milter_chain_create(struct milter_set *set, const struct milter_facts *facts,
                                         milter_answer_fn *fn, void *arg);
/* Ends what is under way, without an answer. NULL is fine; returns NULL. */
struct milter_chain *milter_chain_free(struct milter_chain *c);

void milter_chain_ask(struct milter_chain *c, const struct milter_question *q);
/* Whether refused recipients have to be shown. */
bool milter_chain_wants_refused(const struct milter_chain *c);

/* A message begins to come in, into spool, which has ours: the fields that we put on top. */
void milter_chain_message_begin(struct milter_chain *c, struct spool *spool, struct span ours);
/* Bytes that the spool has by now. */
void milter_chain_message_add(struct milter_chain *c, struct span bytes);
/* The transaction is over, however. Milters that are in it are told; a question under way is not answered. */
void milter_chain_message_over(struct milter_chain *c);

/* After an END that was answered GO_ON: what is to be changed about the envelope, in order. Until the message
 * is over. */
struct milter_changes {
	const struct milter_edit *edits; /* ADD_RCPT, DELETE_RCPT, CHANGE_SENDER */
	size_t n;
	const char *quarantine; /* the reason to hold the message; NULL: none */
};
struct milter_changes milter_chain_changes(const struct milter_chain *c);
/* The value of the message's first field of that name, as it came, without folds; NULL: there is none. Until
 * it is over. */
const char *milter_chain_field(struct milter_chain *c, struct span name);
/* The sender was changed: our Return-Path field says so, too. */
int milter_chain_set_return_path(struct milter_chain *c, struct span sender);
/* Makes the spool hold the message as changed. *ret_changed: whether it was. Errors as spool_add. */
int milter_chain_settle(struct milter_chain *c, bool *ret_changed, struct err *err);

#endif
