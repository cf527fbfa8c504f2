/*
 * A user's message from another program of the pod to the mta: SMTP over a unix socket, on which the mta
 * takes the program's word for who submits (MAIL FROM:<x> AUTH=<login>, RFC 4954 section 5). What holds for a
 * user who submits by himself holds here: sender rights, rates, clean-up, filters, undo.
 *
 * Asynchronous, on one thread and its event_base. One connection for each message.
 */
#ifndef POD_SUBMIT_H
#define POD_SUBMIT_H

#include <event2/event.h>

#include "base/err.h"
#include "base/id.h"
#include "base/span.h"
#include "conf/conf.h"

/* Everything outlives the call. */
struct submit_message {
	const char *login;  /* the user's address: who it is that submits */
	struct span sender; /* of the envelope; empty: the null path */
	const struct span *rcpts;
	size_t n_rcpts;    /* 1 at least; it goes to all of them or to none */
	struct guid id;    /* of the delivery: the same once more is known, and not delivered again */
	const char *peer;  /* the address of the user's client, for the Received field; NULL: none */
	struct span bytes; /* lines end in CRLF */
};

enum submit_outcome {
	SUBMIT_TAKEN,   /* it is durable, delivered or in the queue */
	SUBMIT_LATER,   /* not now; nothing was taken */
	SUBMIT_UNKNOWN, /* the answer was lost: may have been taken, try again with the same id */
	SUBMIT_SENDER_REFUSED,
	SUBMIT_RCPT_REFUSED,
	SUBMIT_MESSAGE_REFUSED,
};

struct submit_result {
	enum submit_outcome outcome;
	uint16_t code;        /* of the mta's reply; 0: the words are ours */
	const char *enhanced; /* "5.1.1", or "" */
	const char *text;
	size_t rcpt; /* whose reply that is, where it is one recipient's; else SIZE_MAX */
};

/* result lives as long as the call of fn. */
typedef void submit_done_fn(void *arg, const struct submit_result *result);

struct submit;

#define SUBMIT_PATH_SIZE 256
/* The mta's socket; returns buf, which has SUBMIT_PATH_SIZE bytes. */
char *submit_path(const struct conf *conf, char *buf, size_t size);
/*
 * Begins. fn is called once, from the loop, at the latest after timeout_ms, unless it is cancelled before.
 * -POD_E_NOMEM; -POD_E_SYNTAX: the socket's path is none, or an address has control characters.
 */
int submit_start(struct event_base *base, const char *path, unsigned int timeout_ms,
                 const struct submit_message *m, submit_done_fn *fn, void *arg, struct submit **ret_submit,
                 struct err *err);
/* What was not answered may have been taken nevertheless. NULL is fine; returns NULL. */
struct submit *submit_cancel(struct submit *s);

#endif
