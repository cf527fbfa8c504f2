/* What a worker serves over HTTPS: the table of routes, and the services behind it. On the event loop's
 * thread. */
#ifndef POD_IMAPD_CONN_HTTPS_H
#define POD_IMAPD_CONN_HTTPS_H

#include "imapd/conn/worker.h"

struct https;

/* Takes the listening socket, also on failure. The worker's parts must be there and stay. */
int https_create(struct imapd_worker *w, int fd, struct https **ret_https, struct err *err);
/* For connections from now on. NULL is fine. */
void https_set_tls(struct https *hs, struct tls_context *tls);
/* No more connections; who waits is answered, requests under way are finished. on_idle is called when none is
 * left, not from inside this. NULL is fine. */
void https_drain(struct https *hs, void (*on_idle)(void *arg), void *arg);
bool https_is_idle(const struct https *hs); /* NULL is */
/* NULL is fine; returns NULL. */
struct https *https_free(struct https *hs);

#endif
