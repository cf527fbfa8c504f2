/* What the files of this folder share. */
#ifndef POD_IMAPD_ACCOUNT_INTERNAL_H
#define POD_IMAPD_ACCOUNT_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "imapd/account/account.h"
#include "imapd/conn/store_session.h"

#define PROOF_BYTES  32 /* HMAC-SHA-256 of a password that the store found right */
#define PROOFS       4  /* that are remembered of a user: devices may have different passwords one day */
#define HASH_BUCKETS 1024

struct proof {
	uint8_t bytes[PROOF_BYTES];
};

struct account {
	TAILQ_ENTRY(account) entry; /* of the bucket, while it may be found */
	struct accounts *owner;
	unsigned int refs;
	bool listed, refused;
	char *address, *user_id;
	struct store_client *client;
	struct store_session *session;
	struct proof proofs[PROOFS];
	unsigned int proofs_n, proof_next;
	struct buf token;    /* with which it is asked whether the password is still the same */
	uint64_t checked_ms; /* when the store last said so */
	struct event timer;  /* how long it stays when nobody uses it; or until the watch is tried again */
	struct imap_call *watch;
	Podstore__Watch watch_request; /* valid until the watch's final answer */
	bool watching;                 /* wanted, also while the store is away */
	uint64_t changes;
	uint64_t rules; /* account_set_rules */
	struct account_listener *listeners;
};

/* A password that the store is asked for, and who waits for the same answer. On the stack of the fiber that
 * asked. */
struct question {
	LIST_ENTRY(question) entry;
	struct proof proof; /* of user and password */
	struct questioner *waiting;
};

struct accounts {
	struct accounts_options o;
	uint8_t key[PROOF_BYTES]; /* of this process: proofs are of no use elsewhere */
	TAILQ_HEAD(account_bucket, account) buckets[HASH_BUCKETS];
	LIST_HEAD(, question) questions;
	unsigned int away; /* requests that wait for a volume that is away */
};

/* account.c. NULL: none that may be used. */
struct account *account_find(struct accounts *as, const char *user_id);
/* One with a reference, made with what the store's authentication gave. NULL where memory is out. */
struct account *account_create(struct accounts *as, struct store_client *client, const char *user_id,
                               const char *address, struct span token);

/*
 * question.c: the devices of a user come back together, and one password hash answers for all of them.
 * Suspends where somebody asks for the same user and password: 1 and that one's result, else 0. Who asks
 * himself begins, and ends with what he was told.
 */
int question_join(struct accounts *as, const struct proof *p, int *ret_result);
void question_begin(struct accounts *as, struct question *q, const struct proof *p);
void question_end(struct question *q, int result);

/* proof.c */
struct proof proof_make(const struct accounts *as, const char *user_id, struct span password);
bool proof_known(const struct account *ac, const struct proof *p);
bool proof_same(const struct proof *a, const struct proof *b);
void proof_remember(struct account *ac, const struct proof *p);

/*
 * call.c: suspends until a call of the store outside of any session is answered (STORE_AUTH,
 * STORE_SESSION_OPEN). The answer's message in a.
 */
int store_ask(struct accounts *as, struct store_client *client, struct arena *a, enum store_method method,
              const ProtobufCMessage *request, unsigned int timeout_ms, const ProtobufCMessage **ret_message,
              struct err *err);

#endif
