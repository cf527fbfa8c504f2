/*
 * What the index holds: every table, key and value, each with one encoder and one decoder. Nothing else in
 * store/index knows how bytes lie. Values are structs as the machine lays them out: an index does not move between
 * machines of different byte order, it is rebuilt from the files there.
 *
 *   meta        "counters"                     -> struct counters
 *               "login/", user id              -> when he logged in last, seconds since 1970 (int64_t)
 *               "lesson/", number              -> what a user's move into Junk or out of it says: see lessons.h
 *               "ahead"                        -> the last segment of the deliveries' journal that is in the index
 *                                                 (uint64_t): see ahead.h
 *   users       user id                        -> struct user_fixed, four strings
 *   usage       user number                    -> struct usage
 *   mailboxes   mailbox id                     -> struct mailbox_fixed, user id, name, special use, keywords
 *   names       user number, name              -> mailbox id
 *   subscribed  user number, name              -> nothing
 *   mail        mailbox id, kind, ...          -> see enum mail_kind: all of a mailbox lies together, so that a
 *                                                 delivery into a small mailbox touches one page or two, and its
 *                                                 compact records in a row, so that a scan of flags reads nothing else
 *   pending     mailbox id, uid                -> struct pending: what is still to be done to the message's file
 *   deliveries  delivery id, user number       -> struct delivery: answers for repeated requests
 *   intents     sequence                       -> struct intent_fixed, from, to: folders to be moved after the commit
 *   states      user number, name              -> struct state_row: a value that is in a file of its own; see states.h
 *               user number                    -> struct state_totals
 */
#ifndef POD_STORE_INDEX_SCHEMA_H
#define POD_STORE_INDEX_SCHEMA_H

#include "base/arena.h"
#include "base/id.h"
#include "kv/kv.h"
#include "storeproto/storeproto.h"

#define SCHEMA_VERSION 1

struct tables {
	kv_table meta, users, usage, mailboxes, names, subscribed, mail, pending, deliveries, intents;
	kv_table states; /* an index made before it was known gets it when it is opened for writing */
};
int schema_open(struct kv *kv, bool create, struct tables *ret_tables, struct err *err);
#define SCHEMA_TABLES 11
/* All of them, in an order that stays: journals tell tables by it. */
void schema_list(const struct tables *t, kv_table ret_list[SCHEMA_TABLES]);

enum mail_kind {
	MAIL_COUNTS = 1, /* -> struct mailbox_counts */
	MAIL_RECORD = 2, /* uid -> struct record */
	MAIL_LOG = 3, /* modseq, uid -> nothing: each message once, under its present modseq */
	MAIL_VANISHED = 4, /* modseq, first uid -> last uid */
	MAIL_ENVELOPE = 5, /* uid -> bytes */
	MAIL_DETAIL = 6, /* uid -> struct detail_fixed, bodystructure, parts, headers */
	MAIL_URL_KEY = 7, /* -> the mailbox's access key, random bytes */
};

struct counters {
	uint32_t version, users;
	uint64_t modseq; /* of the last commit */
	uint64_t messages, bytes, commits;
	uint32_t next_user, next_mailbox, next_uidvalidity, unused;
	uint64_t next_intent;
};

struct usage {
	uint64_t bytes;
	uint32_t messages, mailboxes;
};

struct user_info {
	uint32_t no;
	uint64_t quota_bytes, credential_version;
	int64_t created;
	const char *address, *display_name, *crypt_hash, *scram;
};

struct mailbox_info {
	uint32_t user, uidvalidity;
	struct guid guid;
	struct span user_id, name;
	const char *special_use;
	const char *keywords[STORE_KEYWORDS_MAX];
	size_t keywords_n;
};

struct mailbox_counts {
	uint64_t highestmodseq, bytes;
	uint64_t log_floor; /* what vanished up to this modseq is forgotten */
	uint32_t uidnext, uid_reserve; /* reserve: as podmail-mailbox.json says */
	uint32_t messages, unseen, deleted, recent_from;
	uint32_t vanished; /* rows of MAIL_VANISHED */
	uint32_t unused;
};

struct record {
	uint64_t modseq, size;
	int64_t internal_date, save_date;
	struct guid guid;
	uint32_t flags, unused;
};

enum pending_op { PENDING_PLACE = 1, PENDING_UNLINK = 2 };
/* Without a row, a message's file is where its record's flags say. */
struct pending {
	uint8_t op, staged; /* staged: in staging/, or in place already since the row was last looked at */
	uint16_t unused;
	uint32_t file_flags; /* those in the file's name */
	/* For PENDING_UNLINK, whose record is gone: */
	int64_t internal_date;
	uint64_t size;
	struct guid guid;
	uint32_t flags, unused2;
};

struct detail {
	struct span bodystructure, parts, headers;
};

/* A request that was carried out, so that it is answered and not done again. */
struct delivery {
	int64_t time; /* when, for pruning */
	uint32_t mailbox, uidvalidity, uid;
	uint32_t ranges_n; /* COPY: so many ranges of source uids, then as many of new uids, follow */
	uint32_t dest_n;
	uint32_t unused;
};

enum intent_op { INTENT_MOVE = 1, INTENT_REPLACE = 2 };
struct intent {
	enum intent_op op;
	const char *from, *to; /* paths inside the volume */
};

struct state_row {
	uint64_t version;
	int64_t changed; /* seconds since 1970 */
	uint32_t size, unused;
};
struct state_totals {
	uint64_t bytes; /* of values */
	uint32_t entries, unused;
};

/* ---- keys ---- */


void key_mailbox(struct key *k, uint32_t mailbox); /* mailboxes */
void key_user_name(struct key *k, uint32_t user, struct span name); /* names, subscribed; the name fits */
void key_mail(struct key *k, uint32_t mailbox, enum mail_kind kind);
void key_mail_uid(struct key *k, uint32_t mailbox, enum mail_kind kind, uint32_t uid);
void key_mail_modseq(struct key *k, uint32_t mailbox, enum mail_kind kind, uint64_t modseq, uint32_t uid);
void key_pending(struct key *k, uint32_t mailbox, uint32_t uid);
void key_delivery(struct key *k, const struct guid *id, uint32_t user);

void key_state(struct key *k, uint32_t user, struct span name); /* the name fits */
/* The name in a key of `states`; empty in the one of the totals. */
struct span state_key_name(struct span key);

/* Whether a key of `mail` belongs to this mailbox and kind, and the numbers at its end. */
bool mail_key_is(struct span key, uint32_t mailbox, enum mail_kind kind);
uint32_t mail_key_uid(struct span key); /* RECORD, ENVELOPE, DETAIL */
uint64_t mail_key_modseq(struct span key); /* LOG, VANISHED; the uid behind it: */
uint32_t mail_key_modseq_uid(struct span key);

/* ---- values: 0, -POD_E_NOTFOUND, or -POD_E_CORRUPT with the table's name ---- */

int counters_get(struct kv_txn *txn, const struct tables *t, struct counters *ret, struct err *err);
int counters_put(struct kv_txn *txn, const struct tables *t, const struct counters *c, struct err *err);
/* 0 where there is none. */
int ahead_segment_get(struct kv_txn *txn, const struct tables *t, uint64_t *ret, struct err *err);
int ahead_segment_put(struct kv_txn *txn, const struct tables *t, uint64_t segment, struct err *err);

/* 0 where there was none. */
int login_get(struct kv_txn *txn, const struct tables *t, struct span user_id, int64_t *ret_at, struct err *err);
int login_put(struct kv_txn *txn, const struct tables *t, struct span user_id, int64_t at, struct err *err);
int login_delete(struct kv_txn *txn, const struct tables *t, struct span user_id, struct err *err);

/* Strings of infos point into the transaction; *_copy makes them the arena's. */
int user_decode(struct span value, struct user_info *ret, struct err *err);
int user_get(struct kv_txn *txn, const struct tables *t, struct span user_id, struct user_info *ret, struct err *err);
int user_put(struct kv_txn *txn, const struct tables *t, struct span user_id, const struct user_info *u, struct err *err);
int user_copy(struct arena *a, struct user_info *u);
int usage_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct usage *ret, struct err *err);
int usage_put(struct kv_txn *txn, const struct tables *t, uint32_t user, const struct usage *u, struct err *err);

int mailbox_decode(struct span value, struct mailbox_info *ret, struct err *err);
int mailbox_get(struct kv_txn *txn, const struct tables *t, uint32_t id, struct mailbox_info *ret, struct err *err);
int mailbox_put(struct kv_txn *txn, const struct tables *t, uint32_t id, const struct mailbox_info *m, struct err *err);
int mailbox_copy(struct arena *a, struct mailbox_info *m);
int mailbox_find(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, uint32_t *ret_id,
                 struct err *err);
int counts_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, struct mailbox_counts *ret, struct err *err);
int counts_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, const struct mailbox_counts *c,
               struct err *err);

int message_record_decode(struct span value, struct record *ret, struct err *err);
int record_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, struct record *ret,
               struct err *err);
int record_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct record *r,
               struct err *err);
int detail_decode(struct span value, struct detail *ret, struct err *err);
int detail_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct detail *d,
               struct err *err);
int pending_decode(struct span value, struct pending *ret, struct err *err);
int pending_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, struct pending *ret,
                struct err *err);
int pending_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct pending *p,
                struct err *err);
/* *ret_ranges: the bytes of the ranges, in the transaction. */
int delivery_get(struct kv_txn *txn, const struct tables *t, const struct guid *id, uint32_t user, struct delivery *ret,
                 struct span *ret_ranges, struct err *err);
int delivery_put(struct kv_txn *txn, const struct tables *t, const struct guid *id, uint32_t user,
                 const struct delivery *d, struct span ranges, struct err *err);
int delivery_decode(struct span value, struct delivery *ret, struct span *ret_ranges, struct err *err);
int state_row_decode(struct span value, struct state_row *ret, struct err *err);
int state_row_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, struct state_row *ret,
                  struct err *err);
int state_row_put(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, const struct state_row *row,
                  struct err *err);
/* Zeros where the user has no states. */
int state_totals_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct state_totals *ret, struct err *err);
int state_totals_put(struct kv_txn *txn, const struct tables *t, uint32_t user, const struct state_totals *totals,
                     struct err *err);
int intent_decode(struct span value, struct intent *ret, struct err *err);
int intent_put(struct kv_txn *txn, const struct tables *t, uint64_t seq, const struct intent *i, struct err *err);

#endif
