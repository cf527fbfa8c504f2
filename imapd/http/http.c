#include "imapd/http/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX    (64 << 10)
#define HEADERS_MAX (32 << 10)
#define TIMEOUT_S   30

struct http {
	struct evhttp *server;
	struct tls_context *tls;
	const struct conf *conf;
	struct directory *directory;
};

struct page {
	const char *path; /* of the URI: what begins with it */
	int status;
	const char *reason, *type, *text;
};

static const struct page pages[] = {
	{ "/Microsoft-Server-ActiveSync", 501, "Not Implemented", "text/plain; charset=utf-8",
	  "Exchange ActiveSync is not part of this version of podmail. Use IMAP and SMTP submission.\n" },
	{ "/autodiscover", 501, "Not Implemented", "text/plain; charset=utf-8",
	  "Autodiscover is not part of this version of podmail. Use IMAP and SMTP submission.\n" },
	{ "/.well-known/", 501, "Not Implemented", "text/plain; charset=utf-8",
	  "No well-known service is part of this version of podmail.\n" },
};

static const struct page front = { "/", 200, "OK", "text/html; charset=utf-8",
	                           "<!doctype html><title>podmail</title><h1>podmail</h1>"
	                           "<p>Mail is served over IMAP and SMTP submission here.</p>\n" };
static const struct page missing = { "", 404, "Not Found", "text/plain; charset=utf-8",
	                             "There is no such page.\n" };
static const struct page no_method = { "", 405, "Method Not Allowed", "text/plain; charset=utf-8",
	                               "Only GET works here.\n" };

static const struct page *choose(struct evhttp_request *rq)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(rq));

	for (size_t i = 0; path && i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strncasecmp(path, pages[i].path, strlen(pages[i].path)) == 0)
			return &pages[i];
	if (!path || (strcmp(path, "/") != 0 && *path))
		return &missing;
	return evhttp_request_get_command(rq) == EVHTTP_REQ_GET ? &front : &no_method;
}

/* Whether that is the host of a hosted domain's policy: mta-sts.DOMAIN, with or without a port. */
static bool is_policy_host(const struct http *h, const char *host)
{
	static const struct span prefix = SPAN_LIT("mta-sts.");
	struct span port, name = span_split(span_of(host ? host : ""), ':', &port);
	char domain[256];

	if (!span_starts_nocase(name, prefix) || name.len - prefix.len >= sizeof(domain))
		return false;
	name = span_skip(name, prefix.len);
	for (size_t i = 0; i < name.len; i++)
		domain[i] = (char) ascii_lower(name.p[i]);
	return directory_domain_find(h->directory, span_make(domain, name.len), NULL) == 0;
}

/* The policy in buf, where it is one that is asked for. */
static bool choose_policy(const struct http *h, struct evhttp_request *rq, struct buf *text,
                          struct page *ret_page)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(rq));

	if (!path || strcmp(path, "/.well-known/mta-sts.txt") != 0 ||
	    !is_policy_host(h, evhttp_request_get_host(rq)) || !conf_sts_policy(h->conf, text))
		return false;
	*ret_page = (struct page){
		.status = HTTP_OK, .reason = "OK", .type = "text/plain", .text = buf_str(text)
	};
	return true;
}

static void on_request(struct evhttp_request *rq, void *arg)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct page policy;
	const struct page *page = choose_policy(arg, rq, &text, &policy) ? &policy : choose(rq);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(rq);
	struct evbuffer *body = evbuffer_new();

	if (body && evhttp_add_header(headers, "Content-Type", page->type) == 0 &&
	    evhttp_add_header(headers, "Strict-Transport-Security", "max-age=31536000") == 0 &&
	    evbuffer_add(body, page->text, strlen(page->text)) == 0)
		evhttp_send_reply(rq, page->status, page->reason, body);
	else
		evhttp_send_error(rq, HTTP_INTERNAL, NULL);
	if (body)
		evbuffer_free(body);
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct http *h = arg;
	SSL *ssl = tls_accept_ssl(h->tls);
	struct bufferevent *bev;

	if (!ssl)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		SSL_free(ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

int http_create(const struct http_options *o, int fd, struct http **ret_http, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h)
		h->server = evhttp_new(o->base);
	if (!h || !h->server || evhttp_accept_socket(h->server, fd) < 0) {
		(void) close(fd);
		(void) http_free(h);
		return err_set(err, POD_E_NOMEM, "HTTPS listener");
	}
	h->tls = tls_ref(o->tls);
	h->conf = o->conf;
	h->directory = o->directory;
	evhttp_set_bevcb(h->server, on_connection, h);
	evhttp_set_gencb(h->server, on_request, h);
	evhttp_set_timeout(h->server, TIMEOUT_S);
	evhttp_set_max_body_size(h->server, BODY_MAX);
	evhttp_set_max_headers_size(h->server, HEADERS_MAX);
	evhttp_set_allowed_methods(h->server,
	                           EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS);
	*ret_http = h;
	return 0;
}

void http_set_tls(struct http *h, struct tls_context *tls)
{
	if (!h)
		return;
	(void) tls_unref(h->tls);
	h->tls = tls_ref(tls);
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	if (h->server)
		evhttp_free(h->server);
	(void) tls_unref(h->tls);
	free(h);
	return NULL;
}
