/* What the files of lib/directory share. */
#ifndef POD_DIRECTORY_INTERNAL_H
#define POD_DIRECTORY_INTERNAL_H

#include "directory/directory.h"
#include "kv/kv.h"

/*
 * RFC 5321 4.5.3.1.3: a path is at most 256 octets with its angle brackets. Two names, two kinds and the NUL
 * between them are then the 511 bytes that a key of the table of references may have.
 */
#define DIRECTORY_NAME_MAX 254

struct directory {
	struct kv *kv;
	kv_table tables[DIRECTORY_KINDS];
	kv_table refs;
};

/* ---- names (name.c) ---- */

/* The lower-case form of a name of that kind, in a. -POD_E_SYNTAX where it is none. */
int directory_key(struct arena *a, enum directory_kind kind, struct span name, struct span *ret_key,
                  struct err *err);
/* Lower-case ASCII, nothing checked. SPAN_NONE where memory is out. */
struct span directory_lower(struct arena *a, struct span s);
/* The parts of "local@domain", at the last "@". False where there is none, or the domain is empty. */
bool directory_address_split(struct span address, struct span *ret_local, struct span *ret_domain);
bool directory_kind_is_address(enum directory_kind kind);

/* ---- records (record.c) ---- */

/* The record as a message in a: -POD_E_CORRUPT, -POD_E_NOMEM. */
int directory_record_unpack(struct arena *a, enum directory_kind kind, struct span bytes,
                            const ProtobufCMessage **ret_record, struct err *err);
int directory_record_get(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                         struct span key, const ProtobufCMessage **ret_record, struct err *err);
int directory_record_put(struct directory *dir, struct kv_txn *txn, enum directory_kind kind, struct span key,
                         const ProtobufCMessage *record, struct err *err);
int directory_record_exists(struct directory *dir, struct kv_txn *txn, enum directory_kind kind,
                            struct span key, struct err *err);

/* ---- what an address is (lookup.c) ---- */

struct directory_found {
	enum { FOUND_NOTHING, FOUND_REMOTE, FOUND_USER, FOUND_ALIAS, FOUND_GROUP } what;
	struct span key;    /* of the record */
	struct span detail; /* of user+detail */
	const ProtobufCMessage *record;
};

/* One step of resolving: key is lower-case. Results in a. FOUND_NOTHING is no failure. */
int directory_lookup(struct directory *dir, struct kv_txn *txn, struct arena *a, struct span key,
                     struct directory_found *ret, struct err *err);

/* ---- references between records (refs.c) ---- */

/* What a record needs is there: -POD_E_NOTFOUND with its name. */
int directory_refs_check(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                         struct span key, const ProtobufCMessage *record, struct err *err);
int directory_refs_add(struct directory *dir, struct kv_txn *txn, struct arena *a, enum directory_kind kind,
                       struct span key, const ProtobufCMessage *record, struct err *err);
int directory_refs_remove(struct directory *dir, struct kv_txn *txn, struct arena *a,
                          enum directory_kind kind, struct span key, const ProtobufCMessage *record,
                          struct err *err);
/* -POD_E_BUSY where another record needs this one, with its name. */
int directory_refs_none_to(struct directory *dir, struct kv_txn *txn, enum directory_kind kind,
                           struct span key, struct err *err);

#endif
