/*
 * The store protocol's methods, answered from one volume: sessions, reads on a pool of threads, changes through
 * the volume's writer, watches. It knows no files and no index, only store/index/index.h and store/auth/auth.h.
 *
 * Threads: created, fed and freed on the event_base's thread. Requests that only read go to the pool; password
 * hashes have threads of their own, so that a storm of logins does not stop mail.
 */
#ifndef POD_STORE_SERVICE_SERVICE_H
#define POD_STORE_SERVICE_SERVICE_H

#include <event2/event.h>

#include "base/err.h"
#include "storeproto/server.h"

struct service;
struct volume;
struct volume_event;

struct service_options {
	struct event_base *base;
	const char *volume_name;
	const char *volume_path;
	unsigned int readers; /* threads */
	unsigned int users_max;
	uint64_t quota_default; /* of users added without one; 0: none */
	uint64_t auth_remember_ms;
	uint64_t token; /* fencing token this store serves under */
	uid_t uid_mta, uid_gateway, uid_admin, uid_filter;
	const char *name_mta, *name_gateway, *name_admin, *name_filter; /* of certificates; may be NULL */
};

/* The hook that volume_options.on_changed calls, with the service as its argument. Any thread. */
void service_on_changed(void *service, const struct volume_event *events, size_t n);
/* The same for volume_options.is_watched. */
bool service_is_watched(void *service, const char *user_id);

/* First without a volume, as volume_open wants the hook; then the volume is given to it and it may serve. */
int service_create(const struct service_options *o, struct service **ret_svc, struct err *err);
int service_start(struct service *svc, struct volume *vol, struct err *err);
/* Serves a listening socket, which it then owns. tls NULL for unix sockets. */
int service_listen(struct service *svc, int fd, struct tls_context *tls, struct err *err);
/*
 * Ends connections and threads; every request under way gets its end. The volume is to be closed between the
 * two: service_stop leaves nothing that asks it for reads, service_free nothing it could call back.
 */
void service_stop(struct service *svc);
struct service *service_free(struct service *svc);

#endif
