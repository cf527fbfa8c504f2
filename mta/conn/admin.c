#include "mta/conn/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "mta/conn/admin_internal.h"

int smtp_admin_listen(const struct conf *conf, int *ret_fd, struct err *err)
{
	char path[256];

	(void) snprintf(path, sizeof(path), "%s/" SMTP_ADMIN_SOCKET_NAME, conf->pod.run_dir);
	return listener_open_local(path, 0600, ret_fd, err);
}

static void serve_milters(void *arg, struct evhttp_request *rq, const struct evkeyvalq *params)
{
	smtp_admin_milters(arg, rq, evhttp_find_header(params, "test") != NULL);
}

int smtp_admin_serve(struct worker *w, int fd, struct smtp_admin **ret_admin, struct err *err)
{
	static const struct http_route routes[] = { { EVHTTP_REQ_GET, "/milters", serve_milters }, { 0 } };
	struct smtp_admin *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "serving the workers' admin socket");
	a->w = w;
	LIST_INIT(&a->looks);
	r = http_server_start(w->base, fd, routes, a, &a->server, err);
	if (r < 0)
		(void) smtp_admin_stop(a);
	else
		*ret_admin = a;
	return r;
}

struct smtp_admin *smtp_admin_stop(struct smtp_admin *a)
{
	if (!a)
		return NULL;
	smtp_admin_milters_stop(a);
	a->server = http_server_stop(a->server);
	free(a);
	return NULL;
}
