/* From any thread to the loop's: small notes, delivered in order, one wake-up for many. */
#ifndef POD_STORE_SERVICE_POST_H
#define POD_STORE_SERVICE_POST_H

#include <event2/event.h>

#include "base/err.h"

struct note {
	struct note *next;
	void (*run)(struct note *note); /* on the loop's thread; the note is its own from then on */
};

struct post;

int post_create(struct event_base *base, struct post **ret_post, struct err *err);
void post_send(struct post *p, struct note *note); /* any thread */
/* Runs what is there now; for the loop's thread, at the end. */
void post_deliver(struct post *p);
struct post *post_free(struct post *p);

#endif
