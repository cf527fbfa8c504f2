/*
 * The private keys that domains sign with: a folder that is this process's alone, with a folder for each
 * domain, in it keys.json and one PEM file (0600) for each key.
 *
 *   made (new) -> published in the DNS by an admin -> active: it signs -> retired: it signs no more, and its
 * record stays in the DNS until mail that is on its way has been verified -> removed
 *
 * A domain has at most one active key of each type. Writing is durable when it returns 0, and one caller's at
 * a time (the process's main thread); reading is anybody's at any time, for files are only ever replaced
 * whole.
 */
#ifndef PODFILTER_AUTH_KEYS_H
#define PODFILTER_AUTH_KEYS_H

#include "base/arena.h"
#include "base/err.h"
#include "mta/podfilter/auth/lookup.h"
#include "mta/podfilter/auth/signing_key.h"

#define KEYS_RSA_BITS_DEFAULT 2048
#define KEYS_MAX              16 /* of one domain */
#define KEYS_SELECTOR_MAX     63

enum key_state { KEY_NEW, KEY_ACTIVE, KEY_RETIRED };

struct key_info {
	const char *selector;
	enum key_type type;
	enum key_state state;
	unsigned int bits;                         /* of RSA */
	int64_t created_s, activated_s, retired_s; /* 0: not yet */
};

/* What is known of a domain's keys. */
struct key_list {
	const char *domain;
	unsigned int rotate_days; /* 0: by hand */
	struct key_info keys[KEYS_MAX];
	size_t n;
};

struct keys; /* the folder */

int keys_open(const char *dir, struct keys **ret_keys, struct err *err);
struct keys *keys_close(struct keys *keys);

const char *key_state_name(enum key_state state); /* "active" */
const char *key_type_name(enum key_type type);    /* "rsa", as in k= */
int key_type_parse(struct span name, enum key_type *ret_type);

/* ---- reading ---- */

/* A domain without keys is an empty list. -POD_E_CORRUPT: keys.json is not what it has to be. -POD_E_SYNTAX:
 * no domain. */
int keys_read(struct keys *keys, struct arena *a, const char *domain, struct key_list *ret_list,
              struct err *err);
const struct key_info *keys_find(const struct key_list *list, const char *selector);
/* Calls fn for the name of each domain that has keys, until it returns non-zero, which is then returned. */
int keys_each_domain(struct keys *keys, int (*fn)(void *arg, const char *domain), void *arg, struct err *err);

/* A key to sign with, in a; its pkey is freed by keys_release. */
int keys_load(struct keys *keys, struct arena *a, const char *domain, const struct key_info *info,
              struct signing_key *ret_key, struct err *err);
void keys_release(struct signing_key *key); /* zeroed memory is fine */

/* ---- writing ---- */

/*
 * Makes a key: its selector is the day and the type, "20261126r". bits is for RSA, 1024 to 4096.
 * -POD_E_LIMIT: the domain has KEYS_MAX.
 */
int keys_create(struct keys *keys, struct arena *a, const char *domain, enum key_type type, unsigned int bits,
                int64_t now_s, struct key_info *ret_info, struct err *err);
/* Signs with this one from now on; the active one of its type retires. -POD_E_NOTFOUND; -POD_E_EXISTS: it
 * does already. */
int keys_activate(struct keys *keys, struct arena *a, const char *domain, const char *selector, int64_t now_s,
                  struct err *err);
/* Deletes it for good. -POD_E_NOTFOUND. */
int keys_remove(struct keys *keys, struct arena *a, const char *domain, const char *selector,
                struct err *err);
/* Days after which a key is replaced, 0: never. */
int keys_set_rotation(struct keys *keys, struct arena *a, const char *domain, unsigned int days,
                      struct err *err);

/* ---- the DNS ---- */

/* "v=DKIM1; k=rsa; p=..." of a key. */
int keys_record(struct arena *a, const struct signing_key *key, const char **ret_record, struct err *err);
/* The same as a line of a zone file, with strings of at most 255 bytes. */
int keys_zone_line(struct arena *a, const struct signing_key *key, const char **ret_line, struct err *err);

enum key_published {
	KEY_PUBLISHED,
	KEY_UNPUBLISHED,
	KEY_DIFFERENT /* another key is there */,
	KEY_UNKNOWN /* now */
};

/* Whether the world finds this key, which is asked of the DNS as anybody would. why: in words, in a. */
enum key_published keys_check_published(const struct lookup *l, struct arena *a,
                                        const struct signing_key *key, const char **ret_why);
const char *key_published_name(enum key_published p); /* "published" */

/* rotate.c: what the schedule wants done with a domain now. Pure. */
enum rotation_step {
	ROTATION_NOTHING,
	ROTATION_CREATE,  /* a successor of `key`, to be published */
	ROTATION_PUBLISH, /* `key` is new: activate it if the DNS has it, ask for it otherwise */
	ROTATION_REMOVE,  /* `key` has been retired for long enough */
};

#define ROTATION_LEAD_S (7 * 86400) /* a successor is made so long before it is due, to be published */

struct rotation {
	enum rotation_step step;
	const struct key_info *key;
};

/* grace_s: how long a retired key stays. Keys of domains without a schedule are removed by hand. */
struct rotation rotation_next(const struct key_list *list, int64_t now_s, int64_t grace_s);

#endif
