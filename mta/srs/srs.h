/*
 * The Sender Rewriting Scheme: an address of ours that mail is forwarded from, so that the next server finds our
 * domain in the envelope (SPF), and that leads a bounce back to who sent it.
 *
 *   SRS0=HASH=TT=example.org=ann@ours      of ann@example.org, made on day TT
 *   SRS1=HASH=other.example==...@ours      of SRS0=...@other.example, which another forwarder made
 *
 * HASH is an HMAC-SHA256 under a secret of the pod, in letters that survive a change of case, so that nobody can have
 * mail sent through us by making such an address up. Pure, thread-safe; results live in the caller's arena.
 */
#ifndef POD_MTA_SRS_H
#define POD_MTA_SRS_H

#include "base/err.h"
#include "mime/address.h"

#define SRS_DAYS_MAX 21 /* how long a bounce may take: longer than any queue keeps a message */

struct srs;

/* text: lines of at least 16 bytes, the first the secret that is used, the others older ones that still count. */
int srs_create(struct span text, struct srs **ret_srs, struct err *err);
/* The secrets in a file; it is made, mode 0600, where it is missing. By the parent, before privileges go. */
int srs_open(const char *path, struct srs **ret_srs, struct err *err);
/* NULL is fine; returns NULL. */
struct srs *srs_free(struct srs *s);

/* Whether it looks like one, of whoever's making. */
bool srs_is(const struct address *address);
/*
 * The address that stands for sender at the domain ours. now_s: wall clock. -POD_E_LIMIT: it would be longer than an
 * address can be (RFC 5321 4.5.3.1.3).
 */
int srs_forward(const struct srs *s, struct arena *a, const struct address *sender, struct span ours, int64_t now_s,
                struct address *ret_address, struct err *err);
/*
 * Whom it stands for. -POD_E_SYNTAX: it is none; -POD_E_DENIED: the hash is not ours; -POD_E_TIMEOUT: its time is
 * over.
 */
int srs_reverse(const struct srs *s, struct arena *a, const struct address *address, int64_t now_s,
                struct address *ret_sender, struct err *err);

#endif
