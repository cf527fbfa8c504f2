/* The policies of MTA-STS that were fetched, on disk: they hold for as long as they say, whatever the DNS
 * says meanwhile. */
#ifndef POD_MTA_TLSPOLICY_STS_STORE_H
#define POD_MTA_TLSPOLICY_STS_STORE_H

#include "kv/kv.h"
#include "mta/tlspolicy/sts_policy.h"

struct sts_store {
	struct kv *kv;
	kv_table table;
};

struct sts_entry {
	const char *id;
	const char *text; /* as fetched */
	uint64_t fetched_s, used_s;
	struct sts_policy policy;
};

int sts_store_open(struct kv *kv, struct sts_store *ret_store, struct err *err);
/* -POD_E_NOTFOUND: none, or its time is over at now_s. The entry lives in a. */
int sts_store_get(struct sts_store *s, const char *domain, uint64_t now_s, struct arena *a,
                  struct sts_entry *ret_entry, struct err *err);
/* Durable when it returns 0. */
int sts_store_put(struct sts_store *s, const char *domain, const char *id, struct span text, uint64_t now_s,
                  struct err *err);
/* Notes that it was used, at most once a day. */
int sts_store_touch(struct sts_store *s, const char *domain, uint64_t now_s, struct err *err);

typedef void sts_store_due_fn(void *arg, const char *domain);
/*
 * Removes what is over, and calls for up to max domains whose policy was fetched before fetched_before_s and
 * used since used_since_s.
 */
int sts_store_sweep(struct sts_store *s, uint64_t now_s, uint64_t fetched_before_s, uint64_t used_since_s,
                    size_t max, sts_store_due_fn *fn, void *arg, struct err *err);

#endif
