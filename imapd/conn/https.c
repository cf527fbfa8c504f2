#include "imapd/conn/https.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fiber.h"
#include "imapd/autodiscover/serve.h"
#include "imapd/eas/service.h"
#include "imapd/http/http.h"
#include "imapd/http/pages.h"

#define PAGE_BODY_MAX (64u << 10)
/* Beside a message of the largest size: base64 is ours to make, WBXML has it as bytes. */
#define EAS_BODY_EXTRA (1u << 20)
#define ROUTES_MAX     16

struct https {
	struct pages pages;
	struct discovery discovery;
	struct accounts *accounts;
	struct eas_service *eas;
	struct http *http;
	struct http_route routes[ROUTES_MAX]; /* the last ones are empty */
};

static void fill_routes(struct https *hs, const struct conf *conf)
{
	const struct http_route routes[] = {
		{ "/", false, HTTP_GET | HTTP_HEAD, PAGE_BODY_MAX, page_front, &hs->pages },
		{ "/.well-known/mta-sts.txt", false, HTTP_GET | HTTP_HEAD, PAGE_BODY_MAX, page_policy,
		  &hs->pages },
		{ "/autodiscover/autodiscover.xml", false, HTTP_POST, PAGE_BODY_MAX, discover_pox,
		  &hs->discovery },
		{ "/autodiscover/autodiscover.json", true, HTTP_GET, PAGE_BODY_MAX, discover_json,
		  &hs->discovery },
		{ "/mail/config-v1.1.xml", false, HTTP_GET, PAGE_BODY_MAX, discover_thunderbird,
		  &hs->discovery },
		{ "/.well-known/autoconfig/mail/config-v1.1.xml", false, HTTP_GET, PAGE_BODY_MAX,
		  discover_thunderbird, &hs->discovery },
		{ "/mobileconfig", false, HTTP_GET, PAGE_BODY_MAX, discover_apple, &hs->discovery },
		{ EAS_PATH, false, HTTP_OPTIONS | HTTP_POST, conf->mta.max_message_size + EAS_BODY_EXTRA,
		  eas_serve, hs->eas },
		{ EAS_PATH "/default.eas", false, HTTP_OPTIONS | HTTP_POST,
		  conf->mta.max_message_size + EAS_BODY_EXTRA, eas_serve, hs->eas },
	};

	_Static_assert(sizeof(routes) < sizeof(hs->routes), "one is to stay empty");
	memcpy(hs->routes, routes, sizeof(routes));
}

static int open_services(struct https *hs, struct imapd_worker *w, struct err *err)
{
	struct accounts_options accounts = { .base = w->base,
		                             .conf = w->conf,
		                             .directory = w->directory,
		                             .stores = w->stores,
		                             .tally = w->o->tally,
		                             .exempt = w->exempt };
	struct eas_parts eas = {
		.base = w->base, .conf = w->conf, .directory = w->directory, .tally = w->o->tally
	};
	int r = accounts_create(&accounts, &hs->accounts, err);

	if (r < 0)
		return r;
	eas.accounts = hs->accounts;
	eas.mesh = w->o->mesh;
	eas.worker = w->index;
	return eas_service_create(&eas, &hs->eas, err);
}

int https_create(struct imapd_worker *w, int fd, struct https **ret_https, struct err *err)
{
	struct http_options o = { .base = w->base,
		                  .tls = w->tls,
		                  .max_connections = w->conf->imapd.max_https_connections,
		                  .idle_timeout_s =
		                          (unsigned int) (w->conf->imapd.https_idle_timeout_ms / 1000),
		                  .request_timeout_s =
		                          (unsigned int) (w->conf->imapd.https_request_timeout_ms / 1000),
		                  .proxy_from = w->proxy_from };
	struct https *hs = calloc(1, sizeof(*hs));
	int r;

	if (!hs) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "HTTPS");
	}
	hs->pages = (struct pages){ w->conf, w->directory };
	r = open_services(hs, w, err);
	if (r < 0) {
		(void) close(fd);
	} else {
		hs->discovery = (struct discovery){ w->conf, w->directory, hs->accounts, &w->tls };
		fill_routes(hs, w->conf);
		o.routes = hs->routes;
		r = http_create(&o, fd, &hs->http, err);
	}
	if (r < 0) {
		(void) https_free(hs);
		return r;
	}
	*ret_https = hs;
	return 0;
}

void https_set_tls(struct https *hs, struct tls_context *tls)
{
	if (hs)
		http_set_tls(hs->http, tls);
}

void https_drain(struct https *hs, void (*on_idle)(void *arg), void *arg)
{
	if (!hs)
		return;
	http_drain(hs->http, on_idle, arg);
	eas_service_drain(hs->eas);
}

bool https_is_idle(const struct https *hs)
{
	return !hs || http_exchanges(hs->http) == 0;
}

struct https *https_free(struct https *hs)
{
	if (!hs)
		return NULL;
	hs->http = http_free(hs->http);
	hs->eas = eas_service_free(hs->eas);
	hs->accounts = accounts_free(hs->accounts);
	fiber_release_stacks();
	free(hs);
	return NULL;
}
