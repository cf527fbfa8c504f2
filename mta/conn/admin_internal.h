/* What the files of the workers' admin socket share. All on the worker's thread. */
#ifndef POD_MTA_CONN_ADMIN_INTERNAL_H
#define POD_MTA_CONN_ADMIN_INTERNAL_H

#include "http/server.h"
#include "mta/conn/admin.h"
#include "mta/conn/internal.h"

struct admin_look;

struct smtp_admin {
	struct worker *w;
	struct http_server *server;
	LIST_HEAD(, admin_look) looks; /* milters that are being tried */
};

/* admin_milters.c */
void smtp_admin_milters(struct smtp_admin *a, struct evhttp_request *rq, bool test);
void smtp_admin_milters_stop(struct smtp_admin *a);

#endif
