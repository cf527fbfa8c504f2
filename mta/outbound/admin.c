#include "mta/outbound/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/server.h"
#include "mta/outbound/look.h"

struct asking;

struct outbound_admin {
	struct outbound *o;
	struct http_server *server;
	LIST_HEAD(, asking) askings;
};

struct asking {
	LIST_ENTRY(asking) link;
	struct evhttp_request *rq;
	struct look *look;
};

int outbound_admin_listen(const struct conf *conf, int *ret_fd, struct err *err)
{
	char path[256];

	(void) snprintf(path, sizeof(path), "%s/" OUTBOUND_ADMIN_SOCKET_NAME, conf->pod.run_dir);
	return listener_open_local(path, 0600, ret_fd, err);
}

static void asking_free(struct asking *a)
{
	LIST_REMOVE(a, link);
	(void) look_cancel(a->look);
	free(a);
}

static void asking_on_answer(void *arg, json_t *answer)
{
	struct asking *a = arg;

	a->look = NULL;
	http_serve_reply(a->rq, HTTP_OK, answer);
	asking_free(a);
}

static void serve_route(void *arg, struct evhttp_request *rq, const struct evkeyvalq *params)
{
	const char *domain = evhttp_find_header(params, "domain");
	struct outbound_admin *admin = arg;
	struct asking *a = domain && *domain ? calloc(1, sizeof(*a)) : NULL;

	if (!domain || !*domain) {
		http_serve_refuse(rq, HTTP_BADREQUEST, "a domain is missing");
		return;
	}
	if (a)
		a->look = look_start(admin->o, domain, asking_on_answer, a);
	if (!a || !a->look) {
		free(a);
		http_serve_refuse(rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	a->rq = rq;
	LIST_INSERT_HEAD(&admin->askings, a, link);
}

int outbound_admin_serve(struct outbound *o, int fd, struct outbound_admin **ret_admin, struct err *err)
{
	static const struct http_route routes[] = { { EVHTTP_REQ_GET, "/route", serve_route }, { 0 } };
	struct outbound_admin *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "serving the outbound processes' admin socket");
	a->o = o;
	LIST_INIT(&a->askings);
	r = http_server_start(o->base, fd, routes, a, &a->server, err);
	if (r < 0)
		(void) outbound_admin_stop(a);
	else
		*ret_admin = a;
	return r;
}

struct outbound_admin *outbound_admin_stop(struct outbound_admin *a)
{
	if (!a)
		return NULL;
	while (!LIST_EMPTY(&a->askings))
		asking_free(LIST_FIRST(&a->askings));
	a->server = http_server_stop(a->server);
	free(a);
	return NULL;
}
