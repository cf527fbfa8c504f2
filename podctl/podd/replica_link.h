/*
 * podd's end of a replicator's control socket (docs/replication.md): requests with their answers, and events.
 * It connects, and connects again when the replicator was started anew; two connections, one of them for
 * events, so that these come in while a request waits. One thread.
 */
#ifndef PODCTL_PODD_REPLICA_LINK_H
#define PODCTL_PODD_REPLICA_LINK_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct replica_link;

struct replica_link_ops {
	/* Both connections stand, and this is its first status (an object, valid during the call). */
	void (*on_up)(void *arg, const json_t *status);
	/* It is gone; requests under way have been answered so. It is being looked for again. */
	void (*on_down)(void *arg);
	void (*on_event)(void *arg, const json_t *event);
};

/* Looks for the socket from now on; nothing is called before this returns. ops is kept by pointer, path
 * copied. */
int replica_link_create(struct event_base *base, const char *path, const struct replica_link_ops *ops,
                        void *arg, struct replica_link **ret_link, struct err *err);
/* Requests under way are forgotten: their answers are not called any more. NULL is fine; returns NULL. */
struct replica_link *replica_link_free(struct replica_link *l);
bool replica_link_is_up(const struct replica_link *l);
/* Looks at once, for who knows that it was just started. */
void replica_link_hurry(struct replica_link *l);

/* r: 0, or -POD_E_* with words in text. answer: the whole object, NULL where none came. Valid during the
 * call. */
typedef void replica_answer_fn(void *arg, int r, const json_t *answer, const char *text);

/*
 * Sends a request (taken, also where this fails) behind those that wait. The answer is called exactly once,
 * later, unless this fails: -POD_E_UNAVAILABLE where it is not up. timeout_ms 0: it may take as long as it
 * takes. A request that timed out takes the connections down with it: what comes after could not be told from
 * its answer. The link must not be freed in an answer.
 */
int replica_link_ask(struct replica_link *l, json_t *request, unsigned int timeout_ms,
                     replica_answer_fn *answer, void *arg, struct err *err);
/* The same on a connection of its own: for what takes long (checksums). It outlives the link. */
int replica_ask_aside(struct event_base *base, const char *path, json_t *request, unsigned int timeout_ms,
                      replica_answer_fn *answer, void *arg, struct err *err);

/* The -POD_E_* of an answer; err text (may be NULL) as *ret_text. For answers that are no object:
 * -POD_E_PROTOCOL. */
int replica_answer_code(const json_t *answer, const char **ret_text);

#endif
