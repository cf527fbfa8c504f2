/*
 * Handing one message to one volume: a DELIVER of the store protocol that carries all its recipients there.
 * Used by the sessions for mail that comes in and by the queue for mail that waited.
 */
#ifndef POD_MTA_DELIVER_H
#define POD_MTA_DELIVER_H

#include "base/arena.h"
#include "base/id.h"
#include "base/span.h"
#include "storeproto/client.h"

/* A message as volumes take it. Everything is borrowed for the time of the call. */
struct deliver_message {
	struct guid id; /* a repeated delivery of the same id to a mailbox is recognised by the store */
	const char *trace;
	struct span sender;
	const Podstore__Summary *summary;
	struct span blob; /* the whole message where it is small */
	int fd; /* else a descriptor of it, from its start; -1 with a blob */
	uint64_t size;
	int64_t arrived_s;
	const char *login; /* the user who submitted it; "": nobody did */
};

struct deliver_mailbox {
	const char *user_id;
	const char *detail; /* of user+detail, "" where none */
	const char *address, *named; /* of the user; as the sender had it. NULL: not known */
	bool listed; /* by a list or group of ours, not by name */
};

/* What a user who is away has answered with (RFC 3834), and of the message that it answers. */
struct deliver_reply {
	struct span to, subject, message_id, references; /* fields as they are, unfolded; may be empty */
	const char *from, *name, *text;
	bool html;
};

/* What became of one mailbox: 0 durable, else -POD_E_* and words, valid during the callback. */
struct deliver_result {
	int code;
	const char *text;
	const struct deliver_reply *reply; /* to be sent; NULL: none */
};

/* Called once; results has an element for each mailbox, in order. */
typedef void deliver_done_fn(void *arg, const struct deliver_result *results, size_t n);

struct deliver_call;

/*
 * Starts a delivery; NULL where memory is out (fn is then not called). A volume that is not connected gets a
 * short time, for the message can wait in the queue and its sender should not.
 */
struct deliver_call *deliver_start(struct store_client *c, const struct deliver_message *m,
                                   const struct deliver_mailbox *mailboxes, size_t n, unsigned int timeout_ms,
                                   deliver_done_fn *fn, void *arg);
/* fn is never called; whether it was delivered is not known. NULL is fine. */
void deliver_cancel(struct deliver_call *call);

/* What to do about an outcome. */
enum deliver_verdict {
	DELIVER_DONE, /* it is durable */
	DELIVER_QUEUE, /* the volume cannot be reached, or did not say: it has to be tried again */
	DELIVER_DEFER, /* the volume said "not now": who sends it may keep it, else it has to be tried again */
	DELIVER_REFUSE, /* it will not do: who sends it is told */
};
enum deliver_verdict deliver_judge(int code);

#endif
