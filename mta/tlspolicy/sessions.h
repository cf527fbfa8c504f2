/*
 * How TLS to other servers went, counted by day, domain and policy (RFC 8460 4), on disk. Counts are gathered
 * in memory and written together; what was not yet written is lost with the process.
 */
#ifndef POD_MTA_TLSPOLICY_SESSIONS_H
#define POD_MTA_TLSPOLICY_SESSIONS_H

#include "kv/kv.h"
#include "mta/tlspolicy/tlspolicy.h"
#include "mta/tlspolicy/tlspolicy.pb-c.h"

#define SESSIONS_PENDING_MAX  1000 /* different ones; then they are written at once */
#define SESSIONS_FAILURES_MAX 200  /* different ones in a row; more are only counted */
#define DAY_S                 86400u

struct tls_sessions;

int tls_sessions_open(struct kv *kv, struct tls_sessions **ret_sessions, struct err *err);
/* Does not write. NULL is fine; returns NULL. */
struct tls_sessions *tls_sessions_free(struct tls_sessions *s);
/* day: since 1970, in UTC. Writes only where too many wait. */
int tls_sessions_count(struct tls_sessions *s, uint32_t day, const struct tls_demand *demand,
                   const struct tls_session *session, struct err *err);
/* Durable when it returns 0; where it fails they wait on. */
int tls_sessions_write(struct tls_sessions *s, struct err *err);
bool tls_sessions_wait(const struct tls_sessions *s); /* whether there is anything to write */

/* ---- for who reports ---- */

/* Each row of the days from..to, by day and domain; a return other than 0 ends the walk and is returned. */
typedef int tls_sessions_fn(void *arg, uint32_t day, const char *domain, const Tlspolicy__Sessions *row);
int tls_sessions_each(struct tls_sessions *s, uint32_t from, uint32_t to, tls_sessions_fn *fn, void *arg,
                  struct err *err);
/* The rows of one domain on one day. */
int sessions_each_of(struct tls_sessions *s, uint32_t day, const char *domain, tls_sessions_fn *fn, void *arg, struct err *err);
/* Forgets the days before this one. */
int tls_sessions_forget(struct tls_sessions *s, uint32_t before, struct err *err);

#endif
