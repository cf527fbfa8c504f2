/*
 * The directory: which sites, pods, hosts, volumes, domains, users, aliases and groups there are, and where
 * each volume is served. One LMDB environment per host; podd is the one writer, all others map it read-only
 * and see each commit at their next call.
 *
 * Threads: a struct directory may be shared; each call runs its own short transaction and copies results
 * into the caller's arena. Names are compared without regard to case.
 */
#ifndef POD_DIRECTORY_DIRECTORY_H
#define POD_DIRECTORY_DIRECTORY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "directory/records.pb-c.h"

struct directory;

/*
 * Opens the directory in the folder path, once per process and after fork. A reader needs read permission on
 * data.mdb and write permission on lock.mdb (both belong to the folder's group where that is set-group-ID).
 * -POD_E_NOTFOUND: podd has not made it yet.
 */
int directory_open(const char *path, struct directory **ret_dir, struct err *err); /* read-only */
int directory_open_writer(const char *path, struct directory **ret_dir,
                          struct err *err); /* podd; creates it */
/* NULL is fine; returns NULL. */
struct directory *directory_close(struct directory *dir);

/*
 * A descriptor that can be read once podd has written to the directory in the folder path: inotify(7), nobody polls. Read
 * it empty with directory_notice_take, then look. The caller closes it. -POD_E_NOTFOUND: there is no directory;
 * -POD_E_LIMIT: the host gives no more of them.
 */
int directory_notice_open(const char *path, int *ret_fd, struct err *err);
void directory_notice_take(int fd);

/* ---- what front ends ask ---- */

/* A volume as a front end needs it. */
struct directory_volume {
	const char *name; /* "vol01" */
	const char *id;
	const char *endpoint;
	uint64_t token;
	bool standby_behind; /* it has a standby that a flush does not wait for: one may be promoted that lacks something */
};

int directory_volume_find(struct directory *dir, struct arena *a, struct span name,
                          struct directory_volume *ret, struct err *err);

/* Who an address (for logins: the address itself, no aliases) is. -POD_E_NOTFOUND; -POD_E_DENIED: suspended.
 */
struct directory_user {
	const char *address; /* canonical */
	const char *user_id;
	const char *volume;
};

int directory_user_find(struct directory *dir, struct arena *a, struct span address,
                        struct directory_user *ret, struct err *err);

/* Whether mail for the domain is delivered here: 0, or -POD_E_NOTFOUND. */
int directory_domain_find(struct directory *dir, struct span domain, struct err *err);

/*
 * Resolves a recipient to the mailboxes and remote addresses it stands for: aliases ("@domain" catch-alls
 * too), groups and subaddresses expanded, each mailbox once, loops cut, at most DIRECTORY_EXPAND_MAX results.
 *   -POD_E_NOTFOUND  no such mailbox in a domain of ours
 *   -POD_E_UNSUPPORTED  not a domain of ours: a remote address (relaying is the caller's decision)
 *   -POD_E_DENIED  the mailbox is suspended     -POD_E_LIMIT  expands to too many
 * address: "local@domain" or "postmaster" (which is postmaster@ the pod's domain).
 */
#define DIRECTORY_EXPAND_MAX 10000

struct directory_target {
	enum { TARGET_MAILBOX, TARGET_REMOTE } kind;
	const char *address;
	const char *user_id, *volume; /* of a mailbox */
	const char *detail;           /* of user+detail, "" where none */
};

struct directory_targets {
	struct directory_target *items;
	size_t n;
};

int directory_resolve(struct directory *dir, struct arena *a, struct span address,
                      struct directory_targets *ret, struct err *err);

/*
 * Whether sender may send to recipient: 0, or -POD_E_DENIED where that is a group for its members only and
 * the sender's address is not among them. The sender must have authenticated as that address: an address in
 * MAIL FROM alone proves nothing.
 */
int directory_sender_check(struct directory *dir, struct span recipient, struct span sender, struct err *err);

/* Most grants that a user's or group's record holds. */
#define DIRECTORY_SEND_AS_MAX 1000

/*
 * Whether a user, who authenticated as login, may send mail from address: 0 where it is theirs, an alias (or a
 * catch-all) that leads to their mailbox, the address of a user who lets them, or of a group that does;
 * -POD_E_DENIED.
 */
int directory_send_as_check(struct directory *dir, struct span login, struct span address, struct err *err);

/* What a user is granted beside the configuration; see the fields of the record User. */
#define DIRECTORY_UNLIMITED UINT32_MAX
struct directory_sending {
	uint32_t messages_per_hour, messages_per_day, recipients_per_hour, recipients_per_day; /* 0: not said */
	uint32_t undo_send_s;
};
/* -POD_E_NOTFOUND. */
int directory_sending_find(struct directory *dir, struct arena *a, struct span login,
                           struct directory_sending *ret, struct err *err);

/* ---- people ---- */

struct directory_person {
	const char *address, *display_name; /* display_name: "" where there is none */
	bool group;
};

/*
 * Users and groups of a domain one of whose names begins with text (case ignored): a word of the display name, the
 * address. In address order, users first, at most max; *ret_more: there are others. A user who is suspended or only
 * being made is nobody's to find. Reads all of the domain: for people who search, not for mail.
 */
int directory_people_find(struct directory *dir, struct arena *a, struct span domain, struct span text, size_t max,
                          struct directory_person **ret_people, size_t *ret_n, bool *ret_more, struct err *err);

/* ---- objects, for podd ---- */

enum directory_kind {
	DIRECTORY_SITE,
	DIRECTORY_POD,
	DIRECTORY_HOST,
	DIRECTORY_VOLUME,
	DIRECTORY_DOMAIN,
	DIRECTORY_USER,
	DIRECTORY_ALIAS,
	DIRECTORY_GROUP,
	DIRECTORY_KINDS
};

/* The word used in commands and errors: "volume". And the descriptor of the kind's record. */
const char *directory_kind_name(enum directory_kind kind);
const ProtobufCMessageDescriptor *directory_kind_descriptor(enum directory_kind kind);

/* The record of an object, in a. The message is of the kind's type (Directory__Volume *, ...). */
int directory_get(struct directory *dir, struct arena *a, enum directory_kind kind, struct span name,
                  const ProtobufCMessage **ret_record, struct err *err);

/*
 * Calls fn for each object of a kind in name order, from the first after `after` (SPAN_NONE: all), until fn
 * returns non-zero, which is then returned. The record lives only during the call.
 */
typedef int directory_each_fn(void *arg, const char *name, const ProtobufCMessage *record);
int directory_each(struct directory *dir, enum directory_kind kind, struct span after, directory_each_fn *fn,
                   void *arg, struct err *err);

/*
 * Writing: durable when it returns 0. Checked in the same transaction, with words in err for the admin:
 *   -POD_E_SYNTAX    the name, or a field of the record, is not what it has to be
 *   -POD_E_EXISTS    create: the name is taken; an address is one thing only: user, alias or group
 *   -POD_E_NOTFOUND  replace, delete: it is not there; or what the record refers to is not (a host, a volume,
 *                    a domain, an address in a domain of ours)
 *   -POD_E_BUSY      delete: another record refers to it, which one is in err
 *   -POD_E_STALE     replace of a volume: its fencing token would shrink
 *   -POD_E_DENIED    replace of a user: the user_id is for ever
 * Volume.users is counted here, whatever the record says.
 */
int directory_create(struct directory *dir, enum directory_kind kind, struct span name,
                     const ProtobufCMessage *record, struct err *err);
int directory_replace(struct directory *dir, enum directory_kind kind, struct span name,
                      const ProtobufCMessage *record, struct err *err);
int directory_delete(struct directory *dir, enum directory_kind kind, struct span name, struct err *err);
/* What directory_delete would say now, with nothing done: for who has to undo more than a record. */
int directory_delete_check(struct directory *dir, enum directory_kind kind, struct span name,
                           struct err *err);

#endif
