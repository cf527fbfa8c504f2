#include "mta/conn/admin.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/conn/admin_internal.h"

int smtp_admin_listen(const struct conf *conf, int *ret_fd, struct err *err)
{
	char path[256];

	(void) snprintf(path, sizeof(path), "%s/" SMTP_ADMIN_SOCKET_NAME, conf->pod.run_dir);
	return listener_open_local(path, 0600, ret_fd, err);
}

void smtp_admin_reply(struct evhttp_request *rq, int status, json_t *json)
{
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	json_decref(json);
	if (!text || evbuffer_add(out, text, strlen(text)) < 0) {
		evhttp_send_error(rq, HTTP_INTERNAL, NULL);
		return;
	}
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "application/json");
	evhttp_send_reply(rq, status, NULL, out);
}

static void admin_on_request(struct evhttp_request *rq, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(rq);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
	struct evkeyvalq params;
	bool test;

	TAILQ_INIT(&params);
	if (query && evhttp_parse_query_str(query, &params) < 0) {
		smtp_admin_reply(rq, HTTP_BADREQUEST, json_pack("{s:s}", "error", "a malformed query"));
		return;
	}
	test = evhttp_find_header(&params, "test") != NULL;
	evhttp_clear_headers(&params);
	if (path && strcmp(path, "/milters") == 0)
		smtp_admin_milters(arg, rq, test);
	else
		smtp_admin_reply(rq, HTTP_NOTFOUND, json_pack("{s:s}", "error", "no such resource"));
}

int smtp_admin_serve(struct worker *w, int fd, struct smtp_admin **ret_admin, struct err *err)
{
	struct smtp_admin *a = calloc(1, sizeof(*a));
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (a)
		a->http = evhttp_new(w->base);
	if (!a || !a->http || own < 0) {
		closep(&own);
		(void) smtp_admin_stop(a);
		return err_set(err, POD_E_NOMEM, "serving the workers' admin socket");
	}
	a->w = w;
	LIST_INIT(&a->looks);
	evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET);
	evhttp_set_max_headers_size(a->http, 16384);
	evhttp_set_max_body_size(a->http, 16384);
	evhttp_set_gencb(a->http, admin_on_request, a);
	if (evhttp_accept_socket(a->http, own) < 0) {
		closep(&own);
		(void) smtp_admin_stop(a);
		return err_set(err, POD_E_NOMEM, "serving the workers' admin socket");
	}
	*ret_admin = a;
	return 0;
}

struct smtp_admin *smtp_admin_stop(struct smtp_admin *a)
{
	if (!a)
		return NULL;
	smtp_admin_milters_stop(a);
	if (a->http)
		evhttp_free(a->http);
	free(a);
	return NULL;
}
