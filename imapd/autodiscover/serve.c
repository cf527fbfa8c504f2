#include "imapd/autodiscover/serve.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fiber.h"
#include "imapd/autodiscover/autodiscover.h"
#include "imapd/http/basic.h"

#define ARENA_MAX (512u << 10)
#define REALM     "Basic realm=\"podmail\""

static const char XML[] = "text/xml; charset=utf-8";

static void reply(struct http_exchange *x, int status, const char *type, struct buf *out)
{
	struct evbuffer *body = out->failed ? NULL : evbuffer_new();

	if (!body || evbuffer_add(body, out->p, out->len) < 0)
		http_abandon(x);
	else
		http_reply(x, status, type, body);
	if (body)
		evbuffer_free(body);
}

/* ---- where the services are ---- */

static unsigned int port(const struct conf *conf, enum conf_listener which)
{
	const struct conf_endpoint *at = conf_listen(conf, which);

	return at ? at->port : 0;
}

/* Somebody who tries a pod on his own machine came by an address or as localhost: the name leads nowhere
 * there. */
static bool is_by_address(const char *host)
{
	return strcmp(host, "localhost") == 0 || strspn(host, "0123456789.") == strlen(host) || *host == '[';
}

static int place_of(struct arena *a, const struct discovery *d, const struct http_exchange *x,
                    struct autodiscover_place *ret)
{
	const char *asked = http_host(x), *host = d->conf->imapd.client_host;
	unsigned int https = port(d->conf, CONF_LISTEN_HTTPS);

	if (*asked && is_by_address(asked))
		host = asked;
	*ret = (struct autodiscover_place){ .host = host,
		                            .https_host = https == 443
		                                                  ? host
		                                                  : arena_printf(a, "%s:%u", host, https),
		                            .imap = port(d->conf, CONF_LISTEN_IMAP),
		                            .imaps = port(d->conf, CONF_LISTEN_IMAPS),
		                            .submission = port(d->conf, CONF_LISTEN_SUBMISSION),
		                            .submissions = port(d->conf, CONF_LISTEN_SUBMISSIONS) };
	return ret->https_host ? 0 : -POD_E_NOMEM;
}

/* A field of the query, decoded; "" where there is none. Names are compared without regard to case. */
static const char *field(struct evkeyvalq *query, const char *name)
{
	const char *text = evhttp_find_header(query, name);

	return text ? text : "";
}

/* ---- POX ---- */

static const char *display_name(struct arena *a, const struct discovery *d, const char *address)
{
	const ProtobufCMessage *record;

	if (directory_get(d->directory, a, DIRECTORY_USER, span_of(address), &record, NULL) < 0)
		return "";
	return ((const Directory__User *) record)->display_name;
}

/* Whether the address leads to the user's mailbox: his own, or an alias. */
static bool is_his(struct arena *a, const struct discovery *d, struct span address,
                   const struct account *account)
{
	struct directory_targets targets;

	if (span_eq_nocase(address, span_of(account_address(account))))
		return true;
	return directory_resolve(d->directory, a, address, &targets, NULL) == 0 && targets.n == 1 &&
	       targets.items[0].kind == TARGET_MAILBOX &&
	       strcmp(targets.items[0].user_id, account_user_id(account)) == 0;
}

static void answer_pox(struct arena *a, const struct discovery *d, struct http_exchange *x,
                       const struct account *account)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct autodiscover_user user = { .address = span_of(account_address(account)) };
	struct autodiscover_request rq;
	struct autodiscover_place place;

	user.display_name = span_of(display_name(a, d, account_address(account)));
	if (place_of(a, d, x, &place) < 0)
		out.failed = true;
	else if (autodiscover_parse(a, http_body(x), &rq, NULL) < 0)
		autodiscover_error(&out, 600, clock_wall_ms());
	else if (rq.schema == AUTODISCOVER_UNKNOWN)
		autodiscover_error(&out, 601, clock_wall_ms());
	else if (rq.schema == AUTODISCOVER_MOBILESYNC && rq.address.len > 0 &&
	         !is_his(a, d, rq.address, account))
		autodiscover_no_user(&out, rq.address);
	else
		autodiscover_settings(&out, rq.schema, &place, &user);
	reply(x, 200, XML, &out);
}

struct asked {
	const struct discovery *d;
	struct http_exchange *x;
};

static int login(struct arena *a, const struct discovery *d, struct http_exchange *x,
                 struct account **ret_account)
{
	struct account_login who = { .host = http_host(x), .peer_text = http_peer(x), .log = http_log(x) };
	struct net_addr peer;
	struct err err = { 0 };
	int r = http_basic_parse(a, http_header(x, "Authorization"), &who.user, &who.password);

	if (r < 0)
		return r;
	who.peer = http_peer_address(x, &peer) ? &peer : NULL;
	return account_login(d->accounts, &who, ret_account, &err);
}

static void refuse(struct http_exchange *x, int r)
{
	if (r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_BUSY || r == -POD_E_NOMEM) {
		http_add_header(x, "Retry-After", "60");
		http_reply_text(x, 503, "The mailbox cannot be reached now.");
	} else {
		http_add_header(x, "WWW-Authenticate", REALM);
		http_reply_text(x, 401, "Log in with your address and your password.");
	}
}

static void pox(void *arg)
{
	struct asked asked = *(struct asked *) arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct account *account = NULL;
	int r = a ? login(a, asked.d, asked.x, &account) : -POD_E_NOMEM;

	if (r < 0)
		refuse(asked.x, r);
	else
		answer_pox(a, asked.d, asked.x, account);
	(void) account_unref(account);
}

void discover_pox(void *arg, struct http_exchange *x)
{
	struct asked asked = { arg, x };

	if (fiber_start(pox, &asked) < 0)
		http_abandon(x);
}

/* ---- those that ask without a password ---- */

/* What a page is made of: the request's query, and where the services are. */
struct page {
	struct arena *a;
	struct evkeyvalq query;
	struct autodiscover_place place;
};

static bool page_begin(struct page *p, const struct discovery *d, struct http_exchange *x)
{
	*p = (struct page){ .a = arena_create(ARENA_MAX) };
	return p->a && evhttp_parse_query_str(http_query(x), &p->query) == 0 &&
	       place_of(p->a, d, x, &p->place) == 0;
}

static void page_end(struct page *p)
{
	evhttp_clear_headers(&p->query);
	(void) arena_free(p->a);
}

void discover_json(void *arg, struct http_exchange *x)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct page p;
	unsigned int status;

	if (page_begin(&p, arg, x)) {
		status = autodiscover_json(&out, span_of(field(&p.query, "Protocol")), &p.place);
		reply(x, (int) status, "application/json; charset=utf-8", &out);
	} else {
		http_reply_text(x, 400, "The query cannot be read.");
	}
	page_end(&p);
}

/* The domain of an address that is one of ours; SPAN_NONE. */
static struct span domain_of(const struct discovery *d, const char *address)
{
	struct span domain;

	(void) span_split(span_of(address), '@', &domain);
	return domain.p && directory_domain_find(d->directory, domain, NULL) == 0 ? domain : SPAN_NONE;
}

/* autoconfig.DOMAIN asks for itself, whoever's address is in the query or none. */
static struct span domain_asked(const struct discovery *d, const char *address, const char *host)
{
	static const struct span prefix = SPAN_LIT("autoconfig.");
	struct span domain = domain_of(d, address), name = span_of(host);

	if (domain.len > 0)
		return domain;
	if (span_starts_nocase(name, prefix))
		name = span_skip(name, prefix.len);
	return directory_domain_find(d->directory, name, NULL) == 0 ? name : SPAN_NONE;
}

void discover_thunderbird(void *arg, struct http_exchange *x)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct span domain = SPAN_NONE;
	struct page p;

	if (page_begin(&p, arg, x))
		domain = domain_asked(arg, field(&p.query, "emailaddress"), http_host(x));
	if (domain.len > 0) {
		autodiscover_thunderbird(&out, domain, &p.place);
		reply(x, 200, XML, &out);
	} else {
		http_reply_text(x, 404, "That is no domain of ours.");
	}
	page_end(&p);
}

void discover_apple(void *arg, struct http_exchange *x)
{
	_cleanup_buf_ struct buf profile = BUF_INIT, out = BUF_INIT;
	const struct discovery *d = arg;
	struct err err = { 0 };
	struct page p;

	if (page_begin(&p, d, x) && domain_of(d, field(&p.query, "email")).len > 0) {
		struct autodiscover_user user = { .address = span_of(field(&p.query, "email")) };

		autodiscover_apple(&profile, &p.place, &user, strcmp(field(&p.query, "type"), "eas") == 0);
		if (profile.failed || tls_sign(*d->tls, buf_span(&profile), &out, &err) < 0)
			out.failed = true;
		http_add_header(x, "Content-Disposition", "attachment; filename=\"mail.mobileconfig\"");
		reply(x, 200, "application/x-apple-aspen-config", &out);
	} else {
		http_reply_text(x, 404, "That is no address of ours.");
	}
	page_end(&p);
}
