#include "podctl/podd/api.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/listener.h"
#include "podctl/podd/admin_token.h"

#define HEADERS_MAX    16384
#define IDLE_TIMEOUT_S 120
#define ARENA_MAX      (8u << 20)

static const struct route routes[] = {
	{ "GET", "/status", api_status_get },
	{ "GET", "/config", api_config_get },
	{ "POST", "/config/reload", api_config_reload },
	{ "GET", "/domains", api_domain_list },
	{ "POST", "/domains", api_domain_add },
	{ "GET", "/domains/:name", api_domain_get },
	{ "PATCH", "/domains/:name", api_domain_set },
	{ "DELETE", "/domains/:name", api_domain_remove },
	{ "GET", "/dmarc", api_dmarc_show },
	{ "POST", "/dmarc/report", api_dmarc_report },
	{ "GET", "/dkim", api_dkim_domains },
	{ "GET", "/domains/:name/dns", api_domain_dns },
	{ "GET", "/domains/:name/dkim", api_dkim_list },
	{ "POST", "/domains/:name/dkim", api_dkim_create },
	{ "POST", "/domains/:name/dkim/rotate", api_dkim_rotate },
	{ "POST", "/domains/:name/dkim/:selector/activate", api_dkim_activate },
	{ "DELETE", "/domains/:name/dkim/:selector", api_dkim_remove },
	{ "GET", "/users", api_user_list },
	{ "POST", "/users", api_user_add },
	{ "GET", "/users/:address", api_user_get },
	{ "PATCH", "/users/:address", api_user_set },
	{ "DELETE", "/users/:address", api_user_remove },
	{ "POST", "/users/:address/unlock", api_user_unlock },
	{ "GET", "/aliases", api_alias_list },
	{ "POST", "/aliases", api_alias_add },
	{ "GET", "/aliases/:address", api_alias_get },
	{ "DELETE", "/aliases/:address", api_alias_remove },
	{ "GET", "/users/:address/oof", api_user_oof_get },
	{ "PATCH", "/users/:address/oof", api_user_oof_set },
	{ "POST", "/users/:address/send-as", api_user_send_as_add },
	{ "GET", "/users/:address/devices", api_device_list },
	{ "GET", "/users/:address/devices/:id", api_device_get },
	{ "DELETE", "/users/:address/devices/:id", api_device_remove },
	{ "POST", "/users/:address/devices/:id/wipe", api_device_wipe },
	{ "POST", "/users/:address/devices/:id/access", api_device_access },
	{ "GET", "/users/:address/device-policies", api_user_policies_get },
	{ "PATCH", "/users/:address/device-policies", api_user_policies_set },
	{ "GET", "/domains/:name/device-policies", api_domain_policies_get },
	{ "PATCH", "/domains/:name/device-policies", api_domain_policies_set },
	{ "DELETE", "/users/:address/send-as/:to", api_user_send_as_remove },
	{ "GET", "/groups", api_group_list },
	{ "POST", "/groups", api_group_add },
	{ "GET", "/groups/:address", api_group_get },
	{ "DELETE", "/groups/:address", api_group_remove },
	{ "POST", "/groups/:address/members", api_group_member_add },
	{ "DELETE", "/groups/:address/members/:member", api_group_member_remove },
	{ "POST", "/groups/:address/send-as", api_group_send_as_add },
	{ "DELETE", "/groups/:address/send-as/:to", api_group_send_as_remove },
	{ "GET", "/volumes", api_volume_list },
	{ "POST", "/volumes", api_volume_add },
	{ "GET", "/volumes/:name", api_volume_get },
	{ "POST", "/volumes/:name/fsck", api_volume_fsck },
	{ "POST", "/volumes/:name/grow", api_volume_grow },
	{ "GET", "/replication", api_replication_list },
	{ "GET", "/volumes/:name/replication", api_replication_get },
	{ "POST", "/volumes/:name/replication/:doing", api_replication_do },
	{ "GET", "/volumes/:name/operation", api_operation_get },
	{ "POST", "/volumes/:name/switchover", api_switchover },
	{ "POST", "/volumes/:name/failover", api_failover },
	{ "POST", "/volumes/:name/failback", api_failback },
	{ "GET", "/volumes/:name/snapshots", api_snapshot_list },
	{ "POST", "/volumes/:name/snapshots", api_snapshot_take },
	{ "GET", "/volumes/:name/snapshots/:snapshot", api_snapshot_get },
	{ "DELETE", "/volumes/:name/snapshots/:snapshot", api_snapshot_delete },
	{ "POST", "/volumes/:name/snapshots/:snapshot/hold", api_snapshot_hold },
	{ "POST", "/volumes/:name/snapshots/:snapshot/release", api_snapshot_release },
	{ "POST", "/volumes/:name/snapshots/:snapshot/verify", api_snapshot_verify },
	{ "GET", "/filter/reputation/:subject", api_filter_show },
	{ "DELETE", "/filter/reputation/:subject", api_filter_forget },
	{ "POST", "/filter/test", api_filter_test },
	{ "GET", "/milters", api_milter_list },
	{ "GET", "/routes/:address", api_route_get },
	{ "GET", "/queue", api_queue_list },
	{ "GET", "/queue/lanes", api_queue_lanes },
	{ "GET", "/queue/safetynet", api_queue_safetynet },
	{ "POST", "/queue/retry", api_queue_retry_all },
	{ "POST", "/queue/flush", api_queue_flush },
	{ "GET", "/queue/:id", api_queue_get },
	{ "GET", "/queue/:id/message", api_queue_message },
	{ "POST", "/queue/:id/retry", api_queue_retry },
	{ "POST", "/queue/:id/hold", api_queue_hold },
	{ "POST", "/queue/:id/release", api_queue_release },
	{ "DELETE", "/queue/:id", api_queue_remove },
	{ "GET", "/trace", api_trace_search },
	{ "GET", "/trace/:id", api_trace_get },
	{ "GET", "/tlsrpt", api_tlsrpt_get },
	{ "POST", "/tlsrpt/send", api_tlsrpt_send },
	{ "GET", "/mounts", api_mount_list },
	{ "POST", "/volumes/:name/snapshots/:snapshot/mount", api_mount_add },
	{ "DELETE", "/volumes/:name/snapshots/:snapshot/mount", api_mount_remove },
	{ "GET", "/restores", api_restore_list },
	{ "POST", "/restores", api_restore_add },
	{ "GET", "/restores/:id", api_restore_get },
	{ "DELETE", "/restores/:id", api_restore_cancel },
};

static const struct {
	enum evhttp_cmd_type type;
	const char *name;
} methods[] = {
	{ EVHTTP_REQ_GET, "GET" },
	{ EVHTTP_REQ_POST, "POST" },
	{ EVHTTP_REQ_PATCH, "PATCH" },
	{ EVHTTP_REQ_DELETE, "DELETE" },
};

enum door_kind { DOOR_SOCKET, DOOR_TCP, DOOR_METRICS, DOORS };

struct door {
	struct api *api;
	enum door_kind kind;
	struct evhttp *http;
};

struct api {
	struct podd *podd;
	struct door doors[DOORS];
	char token[ADMIN_TOKEN_SIZE];
	LIST_HEAD(, api_call) calls;
};

/* ---- answers ---- */

static const char *method_name(struct evhttp_request *http)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].type == evhttp_request_get_command(http))
			return methods[i].name;
	return "this method";
}

static void call_free(struct api_call *call)
{
	LIST_REMOVE(call, link);
	evhttp_clear_headers(&call->query);
	json_decref(call->body);
	(void) arena_free(call->arena);
	free(call);
}

static void send_json(struct evhttp_request *http, int status, json_t *answer)
{
	_cleanup_(freep) char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	struct evbuffer *out = text ? evbuffer_new() : NULL;

	json_decref(answer);
	if (!out || evbuffer_add_printf(out, "%s\n", text) < 0) {
		evhttp_send_error(http, 500, "out of memory");
	} else {
		(void) evhttp_add_header(evhttp_request_get_output_headers(http), "Content-Type",
		                         "application/json");
		(void) evhttp_add_header(evhttp_request_get_output_headers(http), "Cache-Control",
		                         "no-store");
		evhttp_send_reply(http, status, NULL, out);
	}
	if (out)
		evbuffer_free(out);
}

static json_t *error_json(const struct err *err, const char *hint)
{
	/* What was asked for may come back in the words, and need not be UTF-8. */
	json_t *message = json_string(err_text(err)), *json;

	if (!message)
		message = json_string(err_code_text(err->code));
	json = json_pack("{s:{ss, so}}", "error", "code", err_code_name(err->code), "message", message);
	if (json && hint &&
	    json_object_set_new(json_object_get(json, "error"), "hint", json_string(hint)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

void api_reply(struct api_call *call, int status, json_t *answer)
{
	if (status < 300 &&
	    evhttp_request_get_command(call->http) != EVHTTP_REQ_GET) /* who asks later what was changed */
		log_event(NULL, LOGL_NOTICE, "admin.changed", F_STR("method", method_name(call->http)),
		          F_STR("path", evhttp_request_get_uri(call->http)));
	send_json(call->http, status, answer);
	call_free(call);
}

void api_fail_hint(struct api_call *call, const struct err *err, const char *hint)
{
	log_event(NULL, LOGL_NOTICE, "admin.refused", F_STR("path", evhttp_request_get_uri(call->http)),
	          F_ERR(err));
	api_reply(call, api_http_status(err->code), error_json(err, hint));
}

void api_fail(struct api_call *call, const struct err *err)
{
	api_fail_hint(call, err, api_hint(err->code));
}

static void refuse(struct evhttp_request *http, const struct err *err)
{
	send_json(http, api_http_status(err->code), error_json(err, api_hint(err->code)));
}

/* ---- who may ask ---- */

static int check_peer(struct evhttp_request *http, struct err *err)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(http);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_errno(err, errno, "admin socket");
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(err, POD_E_DENIED, "user id %u may not administer this pod",
		               (unsigned int) peer.uid);
	return 0;
}

static int check_token(const struct api *api, struct evhttp_request *http, struct err *err)
{
	const char *given = evhttp_find_header(evhttp_request_get_input_headers(http), "Authorization");

	if (given && strncasecmp(given, "Bearer ", 7) == 0 && admin_token_equal(api->token, given + 7))
		return 0;
	(void) evhttp_add_header(evhttp_request_get_output_headers(http), "WWW-Authenticate", "Bearer");
	return err_set(err, POD_E_AUTH, given ? "this is not the token of this pod" : "a token is needed");
}

/* ---- requests ---- */

static int read_body(struct api_call *call, struct err *err)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(call->http);
	size_t len = evbuffer_get_length(in);
	json_error_t why;

	if (len == 0)
		return 0;
	call->body = json_loadb((const char *) evbuffer_pullup(in, -1), len, JSON_REJECT_DUPLICATES, &why);
	if (!call->body)
		return err_set(err, POD_E_SYNTAX, "the body is no JSON: line %d: %s", why.line, why.text);
	if (!json_is_object(call->body))
		return err_set(err, POD_E_SYNTAX, "the body must be a JSON object");
	return 0;
}

static int read_call(struct api_call *call, const struct route **ret_route, struct err *err)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->http);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL,
		   *query = uri ? evhttp_uri_get_query(uri) : NULL;
	struct route_match match;
	int r = route_find(routes, ARRAY_SIZE(routes), method_name(call->http), span_of(path), call->arena,
	                   &match, err);

	if (r < 0)
		return r;
	memcpy(call->params, match.params, sizeof(call->params));
	if (query && evhttp_parse_query_str(query, &call->query) < 0)
		return err_set(err, POD_E_SYNTAX, "wrong query in the address");
	*ret_route = match.route;
	return read_body(call, err);
}

static void handle_call(struct api *api, struct evhttp_request *http)
{
	struct api_call *call = calloc(1, sizeof(*call));
	struct arena *arena = arena_create(ARENA_MAX);
	const struct route *route = NULL;
	struct err err = { 0 };

	if (!call || !arena) {
		free(call);
		(void) arena_free(arena);
		evhttp_send_error(http, 500, "out of memory");
		return;
	}
	*call = (struct api_call){ .podd = api->podd, .http = http, .arena = arena };
	TAILQ_INIT(&call->query);
	LIST_INSERT_HEAD(&api->calls, call, link);
	if (api->podd->stopping) {
		(void) err_set(&err, POD_E_UNAVAILABLE, "the pod is stopping");
		api_fail(call, &err);
	} else if (read_call(call, &route, &err) < 0) {
		api_fail(call, &err);
	} else {
		route->handler(call);
	}
}

static void api_on_request(struct evhttp_request *http, void *arg)
{
	struct door *door = arg;
	struct err err = { 0 };
	int r = door->kind == DOOR_SOCKET ? check_peer(http, &err) : check_token(door->api, http, &err);

	if (r < 0)
		refuse(http, &err);
	else
		handle_call(door->api, http);
}

static void metrics_on_request(struct evhttp_request *http, void *arg)
{
	struct door *door = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	struct err err = { 0 };

	if (evhttp_request_get_command(http) == EVHTTP_REQ_GET && path && strcmp(path, "/metrics") == 0) {
		status_metrics(door->api->podd, http);
	} else if (evhttp_request_get_command(http) == EVHTTP_REQ_GET && path &&
	           strcmp(path, "/health") == 0) {
		status_health(door->api->podd, http);
	} else {
		(void) err_set(&err, POD_E_NOTFOUND, "here are /metrics and /health only");
		refuse(http, &err);
	}
}

/* ---- doors ---- */

static int door_open(struct api *api, enum door_kind kind, const char *address, struct err *err)
{
	struct door *door = &api->doors[kind];
	_cleanup_(closep) int fd = -1;
	struct net_addr addr;
	int r = net_addr_parse(span_of(address), &addr, err);

	if (r < 0 || (r = listener_open(&addr, 0, &fd, err)) < 0)
		return r;
	*door = (struct door){ .api = api, .kind = kind, .http = evhttp_new(api->podd->base) };
	if (!door->http)
		return err_set(err, POD_E_NOMEM, "admin API");
	evhttp_set_max_headers_size(door->http, HEADERS_MAX);
	evhttp_set_max_body_size(door->http, API_BODY_MAX);
	evhttp_set_timeout(door->http, IDLE_TIMEOUT_S);
	evhttp_set_allowed_methods(door->http,
	                           EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(door->http, kind == DOOR_METRICS ? metrics_on_request : api_on_request, door);
	if (evhttp_accept_socket(door->http, fd) < 0)
		return err_set(err, POD_E_NOMEM, "admin API on %s", address);
	(void) take_fd(&fd);
	return 0;
}

static int open_socket_door(struct api *api, const char *path, struct err *err)
{
	char address[PATH_MAX + 8];
	int r;

	(void) snprintf(address, sizeof(address), "unix:%s", path);
	r = door_open(api, DOOR_SOCKET, address, err);
	if (r == 0 && chmod(path, 0600) < 0)
		return err_errno(err, errno, "%s", path);
	return r;
}

int api_start(struct podd *p, struct api **ret_api, struct err *err)
{
	const struct conf_endpoint *admin = conf_listen(p->conf, CONF_LISTEN_ADMIN);
	const struct conf_endpoint *metrics = conf_listen(p->conf, CONF_LISTEN_METRICS);
	struct api *api = calloc(1, sizeof(*api));
	mode_t mask;
	int r;

	if (!api)
		return err_set(err, POD_E_NOMEM, "admin API");
	api->podd = p;
	r = admin_token_load(p->conf->pod.run_dir, api->token, err);
	mask = umask(077); /* the socket is nobody else's from its first moment */
	if (r == 0)
		r = open_socket_door(api, p->conf->podd.admin_socket, err);
	(void) umask(mask);
	if (r == 0 && admin)
		r = door_open(api, DOOR_TCP, admin->address, err);
	if (r == 0 && metrics)
		r = door_open(api, DOOR_METRICS, metrics->address, err);
	if (r < 0) {
		(void) api_free(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

bool api_is_busy(const struct api *api)
{
	return !LIST_EMPTY(&api->calls);
}

struct api *api_free(struct api *api)
{
	if (!api)
		return NULL;
	for (size_t i = 0; i < DOORS; i++)
		if (api->doors[i].http)
			evhttp_free(api->doors[i].http);
	explicit_bzero(api->token, sizeof(api->token));
	free(api);
	return NULL;
}
