/*
 * Who a client is. Credentials never leave this process: libsasl2's server side checks them against the
 * account (a crypt(5) hash for PLAIN and LOGIN, SCRAM-SHA-256 keys), and what goes out is a session token.
 *
 * Threads: a struct auth is shared by all; an exchange belongs to one thread at a time. Steps may take as
 * long as a password hash is made to take, so they run on a pool's thread. Nothing here waits or sleeps: the
 * pause that a wrong password costs is returned, for a timer.
 */
#ifndef POD_STORE_AUTH_AUTH_H
#define POD_STORE_AUTH_AUTH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct auth;

struct auth_account {
	const char *crypt_hash; /* crypt(5) */
	const char *scram; /* "SCRAM-SHA-256$iterations:salt$stored:server" (RFC 5803) */
	uint64_t credential_version;
};

struct auth_options {
	/* The account of a user, in a: 0, -POD_E_NOTFOUND, or another error. Any thread. */
	int (*find)(void *arg, struct arena *a, struct span user_id, struct auth_account *ret, struct err *err);
	void *arg;
	struct span secret; /* of the volume, for session tokens; copied */
	uint64_t remember_ms; /* how long a good password need not be hashed again; 0: never remembered */
	void (*on_remembered)(void *arg); /* a check that the memory answered, for metrics; may be NULL */
};

/* One at a time in a process: libsasl2's set-up is global. No file of the host is read for it. */
int auth_create(const struct auth_options *o, struct auth **ret_auth, struct err *err);
struct auth *auth_free(struct auth *au);

/* ---- exchanges ---- */

struct auth_exchange;

/* What a front end says of an exchange; spans are copied. */
struct auth_start {
	struct span mechanism;
	struct span user_id;
	struct span address; /* what the client must have called itself */
	struct span service; /* "imap", "smtp", "http" */
	struct span peer; /* the client's address, for the rate limit */
	struct span binding_exporter, binding_end_point; /* of the client's TLS connection; empty without */
};

enum auth_state { AUTH_CHALLENGE, AUTH_GOOD, AUTH_BAD };

struct auth_result {
	enum auth_state state;
	struct span challenge; /* with AUTH_GOOD: the server's last message (SCRAM's v=); lives until the next step */
	bool has_challenge;
	int code; /* AUTH_BAD: POD_E_AUTH, or what went wrong on our side */
	const char *text;
	unsigned int delay_ms; /* AUTH_BAD: answer no earlier */
	uint64_t credential_version; /* AUTH_GOOD */
};

/* -POD_E_UNSUPPORTED: no such mechanism (or SCRAM-SHA-256-PLUS without TLS). */
int auth_exchange_create(struct auth *au, const struct auth_start *start, struct auth_exchange **ret_x, struct err *err);
/* The client's next message; has_message false: there was no initial response. */
void auth_exchange_step(struct auth_exchange *x, struct span message, bool has_message, struct auth_result *ret);
struct auth_exchange *auth_exchange_free(struct auth_exchange *x);

/* ---- passwords ---- */

#define AUTH_PASSWORD_MAX 1024
#define AUTH_SCRAM_ITERATIONS 10000 /* RFC 7677 asks for 4096 or more */

struct auth_credentials {
	const char *crypt_hash, *scram;
};
/* New salts, both forms, in a. -POD_E_SYNTAX: empty, too long or with control characters. Slow on purpose. */
int auth_password_set(struct arena *a, struct span password, struct auth_credentials *ret, struct err *err);
/* SCRAM-SHA-256 keys of a password for a given salt (RFC 5802 3), in the form above. */
int auth_scram_keys(struct arena *a, struct span password, struct span salt, unsigned int iterations,
                    const char **ret_scram);
/* Whether password is the one hashed; as slow as the hash. A hash that cannot be used is false. */
bool auth_password_check(const char *crypt_hash, struct span password);

/* ---- URLs of messages (RFC 4467) ---- */

#define AUTH_URL_KEY_SIZE   32
#define AUTH_URL_TOKEN_SIZE 33

/* The token of a URL's text under the access key of its mailbox. -POD_E_INTERNAL. */
int auth_url_token(const uint8_t key[AUTH_URL_KEY_SIZE], struct span text, uint8_t ret_token[AUTH_URL_TOKEN_SIZE]);
bool auth_url_token_check(const uint8_t key[AUTH_URL_KEY_SIZE], struct span text, struct span token);

/* ---- session tokens ---- */

#define AUTH_TOKEN_LIFE_S (24 * 60 * 60)

/* Opens sessions until now_s + AUTH_TOKEN_LIFE_S, or until the password changes. SPAN_NONE where memory is out. */
struct span auth_token_make(const struct auth *au, struct arena *a, struct span user_id, uint64_t credential_version,
                            int64_t now_s);
/*
 * The user of a token and the credential version it was made for, which the caller compares with the
 * account's. -POD_E_AUTH: not made here, changed, or expired.
 */
int auth_token_check(const struct auth *au, struct arena *a, struct span token, int64_t now_s, struct span *ret_user_id,
                     uint64_t *ret_credential_version);

#endif
