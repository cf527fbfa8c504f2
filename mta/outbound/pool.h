/*
 * Connections that wait for a next message to the same place, for a few seconds, and TLS sessions to resume.
 * One thread.
 *
 * A connection is found again by the destination it last served (then nothing is looked up), or by its key:
 * host, port, what TLS had to show, and login. Both are texts made in job_hosts.c.
 */
#ifndef POD_MTA_OUTBOUND_POOL_H
#define POD_MTA_OUTBOUND_POOL_H

#include "mta/outbound/conn.h"
#include "net/tls_resume.h"

struct pool;

struct pool *pool_create(struct outbound *o); /* NULL where memory is out */
struct pool *pool_free(struct pool *p);       /* says QUIT on all; NULL is fine; returns NULL */
/* What was opened, and checked, as another configuration asked for is not used any more: says QUIT on all. */
void pool_clear(struct pool *p);

/* Takes a connection that is ready, or ends it where it is not to be used any more. destination: the job's.
 */
void pool_put(struct pool *p, struct conn *c, const char *destination);
/* One that is ready, now the caller's, who sets himself as its owner at once; NULL: none. */
struct conn *pool_take_destination(struct pool *p, const char *destination);
struct conn *pool_take_key(struct pool *p, const char *key);

/* A session of an earlier connection with this key; the pool's. NULL: none. */
struct tls_resume *pool_session(struct pool *p, const char *key);
void pool_keep_session(struct pool *p, const char *key, SSL *ssl);

#endif
