/*
 * Runs the IMAP core without sockets: bytes in, bytes out, and a store of a few messages in memory that
 * answers at once. The transcript tests and the fuzz target share it.
 *
 * The password of everybody is "sesame". Mailboxes: INBOX, Sent (\Sent), "Entwürfe", and "a/b" below an "a"
 * that does not exist. Names of keywords and mailboxes, and messages, are as the session changes them.
 */
#ifndef POD_TESTS_IMAP_HOST_H
#define POD_TESTS_IMAP_HOST_H

#include "base/buf.h"
#include "imapd/imap/imap.h"

struct imap_host;

/* flags: see below. */
#define IMAP_HOST_TLS       1u /* the connection is under TLS */
#define IMAP_HOST_CLEARTEXT 2u /* passwords may come without */
#define IMAP_HOST_LOGGED_IN 4u
struct imap_host *imap_host_create(unsigned int flags);
struct imap_host *imap_host_free(struct imap_host *h);

/* Feeds bytes and lets everything happen that they cause; returns what was said since the last call. */
const char *imap_host_say(struct imap_host *h, struct span bytes);
/* A message comes (or the newest goes) as another session would have it, and is announced. */
void imap_host_deliver(struct imap_host *h, const char *message);
void imap_host_expunge(struct imap_host *h, uint32_t uid);
void imap_host_set_flags(struct imap_host *h, uint32_t uid, uint32_t flags);
/* From now on requests of that method fail with -code (0: no more). */
void imap_host_fail(struct imap_host *h, enum store_method method, int code);
/* The client takes no bytes until told so: output_is_full. */
void imap_host_block(struct imap_host *h, bool blocked);
bool imap_host_is_closed(const struct imap_host *h);
unsigned int imap_host_requests(const struct imap_host *h, enum store_method method); /* made so far */
size_t imap_host_paused(const struct imap_host *h); /* calls paused now */

#endif
