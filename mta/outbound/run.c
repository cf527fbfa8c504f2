/* An outbound process: what it opens, and the loop. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "mta/outbound/admin.h"
#include "mta/outbound/internal.h"
#include "mta/outbound/path.h"
#include "net/loop.h"
#include "net/seqpacket.h"
#include "proc/proc.h"

/* Drain: a message whose end was sent gets this long to be answered, so that it is not sent twice. */
#define DRAIN_S             15
#define CONF_PROBLEMS_ARENA (256u << 10)

struct signals {
	struct outbound *o;
	struct event *term, *hup, *check, *late;
	const struct conf *reloaded; /* by SIGHUP; NULL: the parent's holds */
};

int outbound_listen(const struct conf *conf, unsigned int index, int *ret_fd, struct err *err)
{
	const char *owner = conf->pod.user_mta;
	_cleanup_(closep) int fd = -1;
	char path[OUTBOUND_PATH_SIZE];
	int r = seqpacket_listen(outbound_path(conf, index, path), &fd, err);

	if (r < 0)
		return r;
	/* Who asks has dropped its privileges by then. */
	if (geteuid() == 0 && *owner && chown(path, privilege_uid_of(owner), (gid_t) -1) < 0)
		return err_errno(err, errno, "giving %s to %s", path, owner);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Routes that cannot be read: at start the process does not run, at a reload the old ones stay. */
static int read_routes(struct outbound *o, struct err *err)
{
	const char *path = o->conf->outbound.routes;
	struct routes *routes = NULL;
	int r = path ? routes_load(path, &routes, err) : 0;

	if (r < 0)
		return r;
	(void) routes_free(o->routes);
	o->routes = routes;
	return 0;
}

static int read_source(const char *text, struct net_addr *ret, struct err *err)
{
	char with_port[128];

	if (strcmp(text, "*") == 0) {
		ret->len = 0;
		return 0;
	}
	(void) snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:0" : "%s:0", text);
	return net_addr_parse(span_of(with_port), ret, err);
}

static int read_sources(struct outbound *o, struct err *err)
{
	int r = read_source(o->conf->outbound.source_ipv4, &o->source_ipv4, err);

	return r < 0 ? r : read_source(o->conf->outbound.source_ipv6, &o->source_ipv6, err);
}

static void end_loop(evutil_socket_t fd, short what, void *outbound)
{
	(void) event_base_loopbreak(((struct outbound *) outbound)->base);
}

static void on_check_drained(evutil_socket_t fd, short what, void *outbound)
{
	if (((struct outbound *) outbound)->jobs == 0)
		end_loop(fd, what, outbound);
}

static void on_term(evutil_socket_t signum, short what, void *arg)
{
	struct signals *s = arg;

	s->o->draining = true;
	outbound_queue_pause(s->o->queue);
	(void) event_add(s->check, &(struct timeval){ 0, 20000 });
	(void) event_add(s->late, &(struct timeval){ DRAIN_S, 0 });
}

/* SIGHUP: times, limits, routes and what TLS has to show anew. A file with mistakes changes nothing. */
static void on_hup(evutil_socket_t signum, short what, void *arg)
{
	struct signals *s = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(CONF_PROBLEMS_ARENA);
	const struct conf *conf = NULL;
	struct err err = { 0 };

	if (!a || conf_load(s->o->conf->file, a, NULL, &conf, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "config.not_reloaded", F_ERR(&err));
		return;
	}
	s->o->conf = conf;
	if (dns_reload(s->o->dns, &conf->dns, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dns.not_reloaded", F_ERR(&err));
	if (tlspolicy_reload(s->o->policy, conf, &err) < 0)
		log_event(NULL, LOGL_ERROR, "tls.not_reloaded", F_ERR(&err));
	pool_clear(s->o->pool);
	s->reloaded = conf_free(s->reloaded);
	s->reloaded = conf;
	if (read_routes(s->o, &err) < 0 || read_sources(s->o, &err) < 0)
		log_event(NULL, LOGL_ERROR, "routes.not_reloaded", F_ERR(&err));
	log_event(NULL, LOGL_NOTICE, "config.reloaded");
}

static int add_signals(struct outbound *o, struct signals *s)
{
	s->o = o;
	s->term = evsignal_new(o->base, SIGTERM, on_term, s);
	s->hup = evsignal_new(o->base, SIGHUP, on_hup, s);
	s->check = event_new(o->base, -1, EV_PERSIST, on_check_drained, o);
	s->late = evtimer_new(o->base, end_loop, o);
	return s->term && s->hup && s->check && s->late && event_add(s->term, NULL) == 0 &&
	                       event_add(s->hup, NULL) == 0
	               ? 0
	               : -POD_E_NOMEM;
}

static void remove_signals(struct signals *s)
{
	struct event *all[] = { s->term, s->hup, s->check, s->late };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i])
			event_free(all[i]);
	s->reloaded = conf_free(s->reloaded);
}

static int open_all(struct outbound *o, unsigned int index, struct err *err)
{
	struct tlspolicy_options policy = { .base = o->base, .conf = o->conf, .keeper = index == 0 };
	int r = read_routes(o, err);

	if (r == 0)
		r = read_sources(o, err);
	if (r == 0)
		r = dns_create(o->base, &o->conf->dns, &o->dns, err);
	policy.dns = o->dns;
	if (r == 0)
		r = tlspolicy_create(&policy, &o->policy, err);
	if (r == 0)
		r = http_client_create(o->base, &o->http, err);
	o->memory = memory_create();
	o->pool = pool_create(o);
	return r == 0 && (!o->memory || !o->pool) ? err_set(err, POD_E_NOMEM, "no memory for connections")
	                                          : r;
}

/* In this order: what was begun last knows of the others. */
static void close_all(struct outbound *o)
{
	o->pool = pool_free(o->pool);
	o->memory = memory_free(o->memory);
	o->policy = tlspolicy_free(o->policy);
	o->http = http_client_free(o->http);
	o->dns = dns_free(o->dns);
	o->routes = routes_free(o->routes);
}

static int serve(struct outbound *o, struct signals *s, const struct outbound_options *options,
                 struct err *err)
{
	struct outbound_admin *admin = NULL;
	int r = add_signals(o, s);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "no memory for signals");
	r = open_all(o, options->index, err);
	if (r == 0)
		r = outbound_queue_serve(o, options->listen_fd, &o->queue, err);
	if (r == 0 && options->admin_fd >= 0)
		r = outbound_admin_serve(o, options->admin_fd, &admin, err);
	if (r == 0 && loop_run(o->base) < 0)
		r = err_set(err, POD_E_INTERNAL, "the outbound event loop failed");
	(void) outbound_admin_stop(admin);
	o->queue = outbound_queue_stop(o->queue);
	return r;
}

int outbound_run(const struct outbound_options *options)
{
	struct outbound o = { .conf = options->conf, .base = event_base_new() };
	struct signals s = { 0 };
	struct err err = { 0 };
	int r = o.base ? serve(&o, &s, options, &err)
	               : err_set(&err, POD_E_NOMEM, "no memory for an event loop");

	if (r < 0)
		log_event(NULL, LOGL_ERROR, "outbound.failed", F_ERR(&err));
	close_all(&o);
	remove_signals(&s);
	if (o.base)
		event_base_free(o.base);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
