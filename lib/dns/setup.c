#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <unbound.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "dns/setup.h"

static int ub_failed(struct err *err, int r, const char *what, const char *value)
{
	return err_set(err, r == UB_NOMEM ? POD_E_NOMEM : POD_E_CONFIG, "dns: %s %s: %s", what, value,
	               ub_strerror(r));
}

/* Its way to write a port is ADDRESS@PORT. */
static void server_text(struct span s, struct buf *out)
{
	size_t close = span_find_byte(s, ']'), colon = span_find_byte(s, ':');
	struct span host = s, port = SPAN_NONE;

	if (close != SIZE_MAX) {
		host = span_make(s.p + 1, close - 1);
		port = span_skip(s, close + 2);
	} else if (colon != SIZE_MAX && span_find_byte(span_skip(s, colon + 1), ':') == SIZE_MAX) {
		host = span_head(s, colon);
		port = span_skip(s, colon + 1);
	}
	buf_add(out, host);
	if (port.len)
		buf_printf(out, "@" SPAN_FMT, SPAN_ARG(port));
}

static int add_server(struct ub_ctx *ub, struct span s, struct err *err)
{
	_cleanup_buf_ struct buf server = BUF_INIT;
	int r;

	server_text(s, &server);
	r = ub_ctx_set_fwd(ub, buf_str(&server));
	return r ? ub_failed(err, r, "server", buf_str(&server)) : 0;
}

static int add_stub(struct ub_ctx *ub, struct span s, struct err *err)
{
	_cleanup_buf_ struct buf zone = BUF_INIT, server = BUF_INIT;
	struct span address, name = span_trim(span_split(s, '=', &address));
	int r;

	buf_add(&zone, name);
	server_text(span_trim(address), &server);
	r = ub_ctx_set_stub(ub, buf_str(&zone), buf_str(&server), 0);
	return r ? ub_failed(err, r, "stub", buf_str(&zone)) : 0;
}

static int add_unsigned(struct ub_ctx *ub, struct span s, struct err *err)
{
	_cleanup_buf_ struct buf zone = BUF_INIT;
	int r;

	buf_add(&zone, s);
	r = ub_ctx_set_option(ub, "domain-insecure:", buf_str(&zone));
	return r ? ub_failed(err, r, "unsigned zone", buf_str(&zone)) : 0;
}

typedef int each_fn(struct ub_ctx *ub, struct span one, struct err *err);

static int each(struct ub_ctx *ub, const char *list, each_fn *fn, struct err *err)
{
	struct span rest = span_of(list);
	int r = 0;

	while (r == 0 && rest.p) {
		struct span one = span_trim(span_split(rest, ',', &rest));

		r = one.len ? fn(ub, one, err) : 0;
	}
	return r;
}

static int option(struct ub_ctx *ub, const char *name, const char *value, struct err *err)
{
	int r = ub_ctx_set_option(ub, name, value);

	return r ? ub_failed(err, r, name, value) : 0;
}

/* Whether a list of servers or stubs names one on this host. */
static bool names_loopback(const char *list)
{
	return strstr(list, "127.") || strstr(list, "::1");
}

static int options_set(struct ub_ctx *ub, const struct dns_conf *c, struct err *err)
{
	char messages[32], records[32];
	const struct {
		const char *name, *value;
	} options[] = {
		{ "msg-cache-size:", messages },
		{ "rrset-cache-size:", records },
		/* The library's own are for a program with a question now and then. */
		{ "outgoing-range:", "1024" },
		{ "num-queries-per-thread:", "1024" },
		{ "outgoing-num-tcp:", "32" },
		{ "val-log-level:", "2" }, /* or there is no reason with a bogus answer */
		/* A server that was away is asked now and then, and not forgotten for a quarter of an hour.
		 */
		{ "infra-keep-probing:", "yes" },
		{ "do-not-query-localhost:",
		  names_loopback(c->servers) || names_loopback(c->stubs) ? "no" : "yes" },
		/* Private addresses have names where somebody was configured who knows them. */
		{ "unblock-lan-zones:", c->servers[0] || c->stubs[0] ? "yes" : "no" },
		{ "insecure-lan-zones:", c->servers[0] ? "yes" : "no" },
	};
	int r = 0;

	(void) snprintf(messages, sizeof(messages), "%llu", (unsigned long long) c->cache_size / 3);
	(void) snprintf(records, sizeof(records), "%llu", (unsigned long long) c->cache_size * 2 / 3);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++)
		r = option(ub, options[i].name, options[i].value, err);
	return r;
}

/* libunbound reads files with the first question, and says less then. */
static int file_check(const char *path, const char *what, struct err *err)
{
	if (path && access(path, R_OK) < 0) {
		int e = errno;

		err_errno(err, e, "dns.%s: %s", what, path);
		return err ? (err->code = POD_E_CONFIG, -POD_E_CONFIG) : -POD_E_CONFIG;
	}
	return 0;
}

static int files_set(struct ub_ctx *ub, const struct dns_conf *c, struct err *err)
{
	int r = file_check(c->trust_anchor, "trust_anchor", err)
	                ?: file_check(c->root_hints, "root_hints", err);

	if (r == 0 && c->trust_anchor)
		r = option(ub, "trust-anchor-file:", c->trust_anchor, err);
	else if (r == 0) /* without an anchor there is nothing for a validator to do */
		r = option(ub, "module-config:", "iterator", err);
	if (r == 0 && c->root_hints)
		r = option(ub, "root-hints:", c->root_hints, err);
	return r;
}

/*
 * Zones that libunbound answers for by itself. Where one of them is configured (or one below or above it is),
 * the configured servers know better: RFC 6761 8 leaves that to the operator.
 */
static const char *const own_zones[] = { "test", "127.in-addr.arpa" };

static bool is_in_zone(struct span name, struct span zone)
{
	if (span_eq(zone, SPAN_LIT(".")))
		return true;
	return name.len >= zone.len && span_eq_nocase(span_skip(name, name.len - zone.len), zone) &&
	       (name.len == zone.len || name.p[name.len - zone.len - 1] == '.');
}

static int give_up_zones(struct ub_ctx *ub, struct span stub, struct err *err)
{
	struct span server, zone = span_trim(span_split(stub, '=', &server));

	for (size_t i = 0; i < ARRAY_SIZE(own_zones); i++) {
		struct span own = span_of(own_zones[i]);
		int r = is_in_zone(zone, own) || is_in_zone(own, zone) ? ub_ctx_zone_remove(ub, own_zones[i])
		                                                       : 0;

		if (r)
			return ub_failed(err, r, "zone", own_zones[i]);
	}
	return 0;
}

int dns_setup(struct ub_ctx *ub, const struct dns_conf *c, struct err *err)
{
	int r, u;

	(void) ub_ctx_debugout(ub, NULL); /* or it writes to our log; what fails comes with the answer */
	r = options_set(ub, c, err) ?: files_set(ub, c, err);
	r = r ?: each(ub, c->servers, add_server, err);
	r = r ?: each(ub, c->stubs, add_stub, err);
	r = r ?: each(ub, c->unsigned_zones, add_unsigned, err);
	if (r < 0)
		return r;
	/* The first such call reads the files; what is wrong with them shows. */
	u = ub_ctx_zone_remove(ub, "home.arpa");
	if (u)
		return ub_failed(err, u, "trust anchor", c->trust_anchor ? c->trust_anchor : "");
	return each(ub, c->stubs, give_up_zones, err);
}
