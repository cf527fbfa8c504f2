#include "mta/podfilter/control/signing.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/podfilter/control/door.h"
#include "proc/proc.h"

#define MESSAGE_MAX (16u << 20) /* reports are far smaller */
#define SIGN_ARENA  (8u << 20)

struct signing {
	const struct mailauth *auth;
	char *pod_domain;
	uid_t mta_uid; /* (uid_t) -1: it runs as we do */
	struct door *door;
};

static bool peer_may_ask(const struct signing *s, struct evhttp_request *rq)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(rq);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == s->mta_uid)
		return true;
	log_event(NULL, LOGL_WARNING, "dkim.stranger", F_UINT("uid", peer.uid));
	return false;
}

static void reply(struct evhttp_request *rq, int status, struct span text)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	if (evbuffer_add(out, text.p, text.len) < 0) {
		evhttp_send_error(rq, HTTP_INTERNAL, NULL);
		return;
	}
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "text/plain");
	evhttp_send_reply(rq, status, NULL, out);
}

static int sign(const struct signing *s, struct span message, struct buf *fields, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SIGN_ARENA);
	const char *domain = NULL;
	int r = a ? mailauth_sign_own(s->auth, a, message, s->pod_domain, fields, &domain, err)
	          : err_set(err, POD_E_NOMEM, "signing");

	if (r < 0)
		log_event(NULL, LOGL_ERROR, "dkim.own_not_signed", F_ERR(err));
	else if (domain)
		log_event(NULL, LOGL_INFO, "dkim.own_signed", F_STR("domain", domain));
	return r;
}

static void signing_on_request(struct evhttp_request *rq, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(rq);
	_cleanup_buf_ struct buf fields = BUF_INIT;
	size_t len = evbuffer_get_length(in);
	const void *bytes = len ? evbuffer_pullup(in, -1) : NULL;
	struct err err = { 0 };

	if (!peer_may_ask(arg, rq))
		reply(rq, 403, SPAN_LIT("not for this user"));
	else if (strcmp(evhttp_request_get_uri(rq), "/sign") != 0)
		reply(rq, HTTP_NOTFOUND, SPAN_LIT("no such thing"));
	else if (!bytes)
		reply(rq, HTTP_BADREQUEST, SPAN_LIT("a message is expected"));
	else if (sign(arg, span_make(bytes, len), &fields, &err) < 0)
		reply(rq, err.code == POD_E_SYNTAX ? HTTP_BADREQUEST : HTTP_INTERNAL,
		      span_of(err_text(&err)));
	else
		reply(rq, HTTP_OK, buf_span(&fields));
}

int signing_start(const struct mailauth *auth, const struct conf *conf, struct signing **ret_signing,
                  struct err *err)
{
	struct signing *s = calloc(1, sizeof(*s));
	const struct door_options o = { .run_dir = conf->pod.run_dir,
		                        .name = AUTH_SIGNING_SOCKET_NAME,
		                        .mode = 0660, /* the mta is in the group */
		                        .body_max = MESSAGE_MAX,
		                        .on_request = signing_on_request,
		                        .arg = s };
	int r = s ? 0 : err_set(err, POD_E_NOMEM, "signing");

	if (r < 0)
		return r;
	s->auth = auth;
	s->mta_uid = *conf->pod.user_mta ? privilege_uid_of(conf->pod.user_mta) : (uid_t) -1;
	s->pod_domain = strdup(conf->pod.domain);
	r = s->pod_domain ? door_open(&o, &s->door, err) : err_set(err, POD_E_NOMEM, "signing");
	if (r == 0)
		r = door_start(s->door, NULL, err);
	if (r < 0)
		(void) signing_stop(s);
	else
		*ret_signing = s;
	return r;
}

struct signing *signing_stop(struct signing *s)
{
	if (!s)
		return NULL;
	s->door = door_free(s->door);
	free(s->pod_domain);
	free(s);
	return NULL;
}
