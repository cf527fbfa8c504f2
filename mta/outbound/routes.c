#include "mta/outbound/routes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/cleanup.h"

#define ARENA_MAX    (64u << 20)
#define LINE_SIZE    4096
#define PASSWORD_MAX 1024

struct routes {
	struct arena *arena;
	struct route *items;
	size_t n, cap;
};

/* What one line is read with. */
struct reading {
	struct routes *routes;
	const char *path;
	unsigned int line;
	struct route route;
	bool tls_said;
	struct err *err;
};

static int bad(struct reading *r, const char *what, struct span word)
{
	return err_set(r->err, POD_E_CONFIG, "%s:%u: %s \"" SPAN_FMT "\"", r->path, r->line, what,
	               SPAN_ARG(word));
}

static const char *keep(struct reading *r, struct span s)
{
	return arena_str(r->routes->arena, s);
}

static int read_password(struct reading *r, struct span file, const char **ret)
{
	const char *path = keep(r, file);
	_cleanup_(fclosep) FILE *f = path ? fopen(path, "re") : NULL;
	char buf[PASSWORD_MAX + 2];
	size_t n;

	if (!f)
		return err_errno(r->err, path ? errno : ENOMEM, "%s:%u: password file " SPAN_FMT, r->path,
		                 r->line, SPAN_ARG(file));
	n = fread(buf, 1, sizeof(buf), f);
	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	if (n == 0 || n > PASSWORD_MAX || memchr(buf, '\0', n) || memchr(buf, '\n', n))
		return bad(r, "one line with a password is expected in", file);
	*ret = keep(r, span_make(buf, n));
	explicit_bzero(buf, sizeof(buf));
	return *ret ? 0 : -POD_E_NOMEM;
}

static int option_tls(struct reading *r, struct span value)
{
	static const char *const words[] = { [ROUTE_TLS_MAY] = "may",
		                             [ROUTE_TLS_REQUIRED] = "required",
		                             [ROUTE_TLS_VERIFY] = "verify",
		                             [ROUTE_TLS_NONE] = "none" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (span_eq(value, span_of(words[i]))) {
			r->route.tls = (enum route_tls) i;
			r->tls_said = true;
			return 0;
		}
	return bad(r, "tls is one of may, required, verify, none, not", value);
}

static int option_login(struct reading *r, struct span value)
{
	r->route.login = keep(r, value);
	return r->route.login ? 0 : -POD_E_NOMEM;
}

static int option_password(struct reading *r, struct span value)
{
	return read_password(r, value, &r->route.password);
}

static int read_option(struct reading *r, struct span word)
{
	static const struct {
		struct span name;
		int (*read)(struct reading *r, struct span value);
	} options[] = { { SPAN_LIT("tls"), option_tls },
		        { SPAN_LIT("login"), option_login },
		        { SPAN_LIT("password-file"), option_password } };
	struct span value, name = span_split(word, '=', &value);

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (span_eq(name, options[i].name))
			return value.len ? options[i].read(r, value)
			                 : bad(r, "a value is expected behind", name);
	return bad(r, "unknown option", word);
}

/* HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT */
static int read_host(struct reading *r, struct span word)
{
	size_t colon = SIZE_MAX, close = span_find_byte(word, ']');
	uint32_t port = 0;

	if (span_eq(word, SPAN_LIT("mx")))
		return 0;
	for (size_t i = close == SIZE_MAX ? 0 : close; i < word.len; i++)
		if (word.p[i] == ':')
			colon = i;
	if (colon != SIZE_MAX) {
		if (span_to_u32(span_skip(word, colon + 1), &port) < 0 || port < 1 || port > 65535)
			return bad(r, "a port is expected behind the colon of", word);
		word = span_head(word, colon);
	}
	if (word.len == 0 || (word.p[0] == '[') != (close != SIZE_MAX))
		return bad(r, "a host is expected, not", word);
	r->route.port = (uint16_t) port;
	r->route.host = keep(r, word);
	return r->route.host ? 0 : -POD_E_NOMEM;
}

static struct span next_word(struct span *rest)
{
	struct span word = SPAN_NONE;

	while (rest->p && word.len == 0)
		word = span_split(*rest, ' ', rest);
	return word;
}

static int add(struct reading *r)
{
	struct routes *all = r->routes;

	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 16;
		struct route *grown = arena_grow(all->arena, all->items, all->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		all->items = grown;
		all->cap = cap;
	}
	all->items[all->n++] = r->route;
	return 0;
}

static int check(struct reading *r)
{
	if (!r->route.login != !r->route.password)
		return bad(r, "login and password-file go together at", span_of(r->route.destination));
	if (r->route.login && !r->tls_said)
		r->route.tls = ROUTE_TLS_VERIFY;
	if (r->route.login && r->route.tls == ROUTE_TLS_NONE)
		return bad(r, "a login without TLS would show the password at",
		           span_of(r->route.destination));
	return 0;
}

static int read_line(struct reading *r, char *text)
{
	struct span rest, word;
	int res;

	text[strcspn(text, "#\r\n")] = '\0';
	for (char *p = text; *p; p++)
		if (*p == '\t')
			*p = ' ';
	rest = span_of(text);
	word = next_word(&rest);
	if (word.len == 0)
		return 0;
	r->route = (struct route){ .destination = keep(r, word) };
	r->tls_said = false;
	word = next_word(&rest);
	res = !r->route.destination ? -POD_E_NOMEM
	      : word.len            ? read_host(r, word)
	                            : bad(r, "no host behind", span_of(r->route.destination));
	while (res == 0 && (word = next_word(&rest)).len)
		res = read_option(r, word);
	if (res == 0)
		res = check(r);
	return res == 0 ? add(r) : res;
}

static int read_file(struct reading *r, FILE *f)
{
	char line[LINE_SIZE];
	int res = 0;

	while (res == 0 && fgets(line, sizeof(line), f)) {
		r->line++;
		res = strlen(line) == sizeof(line) - 1
		              ? bad(r, "the line is too long:", span_head(span_of(line), 40))
		              : read_line(r, line);
	}
	if (res == 0 && ferror(f))
		return err_errno(r->err, errno, "reading %s", r->path);
	return res == -POD_E_NOMEM ? err_set(r->err, POD_E_NOMEM, "no memory for %s", r->path) : res;
}

int routes_load(const char *path, struct routes **ret_routes, struct err *err)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	struct routes *routes = f ? calloc(1, sizeof(*routes)) : NULL;
	struct reading r = { .routes = routes, .path = path, .err = err };
	int res;

	if (!f)
		return err_errno(err, errno, "opening %s", path);
	if (routes)
		routes->arena = arena_create(ARENA_MAX);
	res = routes && routes->arena ? read_file(&r, f)
	                              : err_set(err, POD_E_NOMEM, "no memory for %s", path);
	if (res < 0) {
		(void) routes_free(routes);
		return res;
	}
	*ret_routes = routes;
	return 0;
}

struct routes *routes_free(struct routes *routes)
{
	if (!routes)
		return NULL;
	(void) arena_free(routes->arena);
	free(routes);
	return NULL;
}

/* How close a line is: 0 not at all, "*" 1, ".domain" by its length, the domain itself most. */
static size_t closeness(const struct route *r, struct span domain)
{
	struct span d = span_of(r->destination);

	if (span_eq(d, SPAN_LIT("*")))
		return 1;
	if (span_eq_nocase(d, domain))
		return SIZE_MAX;
	if (d.p[0] == '.' && domain.len > d.len && span_eq_nocase(span_skip(domain, domain.len - d.len), d))
		return d.len + 1;
	return 0;
}

const struct route *routes_find(const struct routes *routes, struct span domain)
{
	const struct route *best = NULL;
	size_t most = 0;

	for (size_t i = 0; routes && i < routes->n; i++) {
		size_t near = closeness(&routes->items[i], domain);

		if (near > most) {
			most = near;
			best = &routes->items[i];
		}
	}
	return best && best->host ? best : NULL;
}
