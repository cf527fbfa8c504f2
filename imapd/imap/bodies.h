/*
 * Message bodies for a list of uids, in order: a few are asked for ahead, so that the store works while the
 * client is being served, and no more, so that a slow client costs no memory.
 */
#ifndef POD_IMAPD_IMAP_BODIES_H
#define POD_IMAPD_IMAP_BODIES_H

#include "imapd/imap/spool.h"
#include "storeproto/client.h"

#define IMAP_BODIES_AHEAD 8

struct imap_session;
struct imap_bodies;

struct imap_body {
	int code; /* -POD_E_NOTFOUND: expunged meanwhile; others: could not be had */
	struct imap_spool bytes;
	struct buf parts; /* mime_tree_pack, or empty */
	/* private */
	struct imap_bodies *owner;
	struct imap_call *call;
	Podstore__BodyOpen request;
	bool complete;
};

struct imap_bodies {
	struct imap_session *s;
	const uint32_t *uids; /* lives as long as this */
	size_t n, opened, taken;
	void (*on_ready)(void *arg); /* imap_bodies_next() has something */
	void *arg;
	struct imap_body slots[IMAP_BODIES_AHEAD];
};

/* Starts asking. The struct must not move. */
void imap_bodies_start(struct imap_bodies *b, struct imap_session *s, const uint32_t *uids, size_t n,
                       void (*on_ready)(void *), void *arg);
/* The next body, or NULL while it is on its way (on_ready comes then), and when all were taken. */
struct imap_body *imap_bodies_next(struct imap_bodies *b);
/* Done with it: the one after it is next. */
void imap_bodies_pop(struct imap_bodies *b);
/* Drops everything that is under way. Fine on zeroed memory. */
void imap_bodies_done(struct imap_bodies *b);

#endif
