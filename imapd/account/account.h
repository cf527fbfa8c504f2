/*
 * Users of the HTTP services: who logged in with a password keeps a session with his volume's store, which
 * his devices' requests share, and is remembered for a while, so that not every request costs the store a
 * password hash. On the event loop's thread; functions marked "suspends" run in a fiber and return when the
 * store has answered.
 */
#ifndef POD_IMAPD_ACCOUNT_ACCOUNT_H
#define POD_IMAPD_ACCOUNT_ACCOUNT_H

#include <event2/event.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "net/listener.h"
#include "storeproto/client.h"
#include "tally/tally.h"

struct account;
struct accounts;

/* ---- all of a worker's ---- */

struct accounts_options {
	struct event_base *base;
	const struct conf *conf;
	struct directory *directory;
	struct store_pool *stores;
	struct tally *tally;
	const struct net_set *exempt; /* whose failed logins are counted by user alone; may be NULL */
};

int accounts_create(const struct accounts_options *o, struct accounts **ret_accounts, struct err *err);
/* When no account is used any more. NULL is fine; returns NULL. */
struct accounts *accounts_free(struct accounts *as);

/* ---- logging in ---- */

struct account_login {
	struct span user, password;  /* user: "ann", "ann@example.org" or "EXAMPLE\ann" */
	const char *host;            /* that the client asked: tells the domain of a user without one; "" */
	const struct net_addr *peer; /* may be NULL */
	const char *peer_text;       /* for the log */
	const struct log *log;
};

/*
 * Suspends. 0 and a reference, to be given back with account_unref;
 *   -POD_E_AUTH  wrong password, or no such user: the two cannot be told apart
 *   -POD_E_BUSY  too many failures before: not now
 *   -POD_E_UNAVAILABLE, -POD_E_TIMEOUT  his volume does not answer
 */
int account_login(struct accounts *as, const struct account_login *login, struct account **ret_account,
                  struct err *err);
struct account *account_ref(struct account *ac);
/* NULL is fine; returns NULL. */
struct account *account_unref(struct account *ac);

const char *account_address(const struct account *ac); /* canonical */
const char *account_user_id(const struct account *ac);
/* The store does not take his token any more (his password was changed, he was removed): all calls fail with
 * -POD_E_AUTH, he has to log in again. */
bool account_is_refused(const struct account *ac);

/* ---- asking the store ---- */

/*
 * Suspends. Asks in the user's session, whose number is set here (the first field of each such message). The
 * answer's message is in a; ret_message may be NULL. What the store says of a failure is in err.
 */
int account_call(struct account *ac, struct arena *a, enum store_method method, ProtobufCMessage *request,
                 const ProtobufCMessage **ret_message, struct err *err);
/* The same with bytes for a message that is stored: blob, or size bytes of fd where it is not -1 (stays the
 * caller's). */
int account_call_body(struct account *ac, struct arena *a, enum store_method method,
                      ProtobufCMessage *request, struct span blob, int fd,
                      const ProtobufCMessage **ret_message, struct err *err);
/*
 * Suspends. Puts a message, whose lines end in CRLF, into a mailbox: append says which, its flags and its id,
 * the rest is filled in. a has to have room for the message's structure.
 */
int account_append(struct account *ac, struct arena *a, Podstore__Append *append, struct span message,
                   uint32_t *ret_uid, struct err *err);
/*
 * The same as account_call for an answer in parts: on_part gets each frame that has a message, the final one
 * too, and must not suspend; what it gets is valid during the call.
 */
typedef void account_part_fn(void *arg, const struct store_reply *part);
int account_call_parts(struct account *ac, struct arena *a, enum store_method method,
                       ProtobufCMessage *request, account_part_fn *on_part, void *arg, struct err *err);

/* ---- states: named values that are kept with the account ---- */

struct account_state {
	const char *name;
	uint64_t version;  /* as it was read or written last; 0: it is not there */
	struct span value; /* as it was read, in the arena of that; SPAN_NONE: it is not there */
};
/* Suspends. Reads the one of that name; NULL where memory for it was out: -POD_E_NOMEM. */
int account_state_get(struct account *ac, struct arena *a, struct account_state *s, struct err *err);
/*
 * Suspends. Writes it where it is still the version that was read, and notes the new one. -POD_E_CONFLICT:
 * somebody else was quicker; -POD_E_NOMEM: memory for the value or the name was out (value.p NULL).
 */
int account_state_put(struct account *ac, struct arena *a, struct account_state *s, struct span value,
                      struct err *err);
/* Suspends. Removes those of these names, whatever their version; one that is not there is no error. */
int account_states_remove(struct account *ac, struct arena *a, const char *const *names, size_t n,
                          struct err *err);

/* ---- messages ---- */

/* A message's bytes, read from a mapped file, or from memory of its own. */
struct account_body {
	struct span bytes;
	struct span parts;                 /* what lib/mime packed of its structure when it came in */
	void *map, *memory, *parts_memory; /* who owns them */
	size_t map_len;
};
/* Suspends. -POD_E_NOTFOUND: expunged. */
int account_body_open(struct account *ac, uint32_t mailbox, uint32_t uid, struct account_body *ret_body,
                      struct err *err);
void account_body_done(struct account_body *body);

/* ---- what changes ---- */

/*
 * Has the store tell of all changes in the user's mailboxes from here on: what was asked of it before may be
 * older than the first event, what is asked after is not.
 */
int account_watch(struct account *ac);
/* How often something changed: the same number twice, nothing was told between. */
uint64_t account_changes(const struct account *ac);

/* Somebody who is told. Embedded; on_change is the caller's to set, the rest is ours. */
struct account_listener {
	struct account_listener *next, **at;
	uint64_t told;
	/*
	 * mailbox 0: the list of mailboxes changed. ACCOUNT_CHANGE_RULES: not the mail, but what its devices
	 * may do. ACCOUNT_CHANGE_UNKNOWN: events may be missing (the store was away),
	 * or none come any more as the account is refused: look again. May end its listening, and that of
	 * others.
	 */
	void (*on_change)(struct account_listener *l, uint32_t mailbox);
};
#define ACCOUNT_CHANGE_UNKNOWN UINT32_MAX
#define ACCOUNT_CHANGE_RULES   (UINT32_MAX - 1)
void account_listen(struct account *ac, struct account_listener *l);
void account_unlisten(struct account_listener *l);

/*
 * A print of what the directory says of a user's devices, which a service keeps here; 0 before the first.
 * Where it is another than before, listeners hear ACCOUNT_CHANGE_RULES.
 */
void account_set_rules(struct account *ac, uint64_t print);
/* What the service found while it let a device in: nobody has to hear of it. */
void account_saw_rules(struct account *ac, uint64_t print);
/* All that can be found. fn may refuse its account. */
void accounts_each(struct accounts *as, void (*fn)(void *arg, struct account *ac), void *arg);
/* It is not to be used any more: suspended, or removed. It is found no more, and whoever uses it hears that
 * it is refused. */
void account_refuse(struct account *ac);

#endif
