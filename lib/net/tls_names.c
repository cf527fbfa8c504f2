/* Server Name Indication: which certificate a client gets (RFC 6066 3). */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "net/tls_internal.h"

#define NAMES_MAX 10000

struct tls_name {
	char *name; /* lower case; a wildcard is kept as "_.example.org", as its files are called */
	SSL_CTX *ctx;
};

struct tls_names {
	size_t n, room;
	struct tls_name *names; /* sorted once all are there */
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct tls_name *) a)->name, ((const struct tls_name *) b)->name);
}

static SSL_CTX *find(const struct tls_names *names, char *name)
{
	struct tls_name key = {.name = name};
	const struct tls_name *at =
		names->n ? bsearch(&key, names->names, names->n, sizeof(key), compare) : NULL;

	return at ? at->ctx : NULL;
}

/* The name itself, then the wildcard one label up: "_.example.org" serves a.example.org, not a.b.example.org.
 */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[256];
	const char *dot;
	SSL_CTX *ctx;

	if (!asked || strlen(asked) >= sizeof(name) - 1)
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t i = 0; i <= strlen(asked); i++)
		name[i] = (char) ascii_lower((uint8_t) asked[i]);
	ctx = find(arg, name);
	dot = strchr(name, '.');
	if (!ctx && dot && dot > name) {
		memmove(name + 1, dot, strlen(dot) + 1);
		name[0] = '_';
		ctx = find(arg, name);
	}
	if (ctx && !SSL_set_SSL_CTX(ssl, ctx))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static void names_free(struct tls_names *names)
{
	for (size_t i = 0; names && i < names->n; i++) {
		free(names->names[i].name);
		SSL_CTX_free(names->names[i].ctx);
	}
	if (names)
		free(names->names);
	free(names);
}

static void names_freep(struct tls_names **names)
{
	names_free(*names);
}

static void on_ctx_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	names_free(ptr);
}

static int ex_index = -1;

static void make_ex_index(void)
{
	ex_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_ctx_free);
}

/* Room for one more; NULL where memory is out. */
static struct tls_name *next_name(struct tls_names *names)
{
	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		struct tls_name *grown = reallocarray(names->names, room, sizeof(*grown));

		if (!grown)
			return NULL;
		names->names = grown;
		names->room = room;
	}
	return &names->names[names->n];
}

/* base: the file's name without ".pem". ctx is taken once 0 is returned. */
static int add_name(struct tls_names *names, struct span base, SSL_CTX *ctx)
{
	struct tls_name *at = next_name(names);

	if (!at)
		return -POD_E_NOMEM;
	at->name = strndup((const char *) base.p, base.len);
	if (!at->name)
		return -POD_E_NOMEM;
	for (char *c = at->name; *c; c++)
		*c = (char) ascii_lower((uint8_t) *c);
	at->ctx = ctx;
	names->n++;
	return 0;
}

static int load_one(struct tls_names *names, const char *dir, struct span base,
                    SSL_CTX *(*make_ctx)(void *arg, struct err *err), void *arg, struct err *err)
{
	_cleanup_(freep) char *cert = NULL, *key = NULL;
	SSL_CTX *ctx;
	int r;

	if (names->n >= NAMES_MAX)
		return err_set(err, POD_E_LIMIT, "%s: more than %d certificates", dir, NAMES_MAX);
	if (asprintf(&cert, "%s/" SPAN_FMT ".pem", dir, SPAN_ARG(base)) < 0 ||
	    asprintf(&key, "%s/" SPAN_FMT ".key", dir, SPAN_ARG(base)) < 0)
		return err_set(err, POD_E_NOMEM, "certificate names");
	ctx = make_ctx(arg, err);
	if (!ctx)
		return -err->code;
	r = tls_load_identity(ctx, cert, key, err);
	if (r == 0) {
		r = add_name(names, base, ctx);
		if (r < 0)
			(void) err_set(err, POD_E_NOMEM, "certificate names");
	}
	if (r < 0)
		SSL_CTX_free(ctx);
	return r;
}

static void dir_closep(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

static int load_dir(struct tls_names *names, const char *dir,
                    SSL_CTX *(*make_ctx)(void *arg, struct err *err), void *arg, struct err *err)
{
	_cleanup_(dir_closep) DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return err_errno(err, errno, "certificates in %s", dir);
	while ((errno = 0, e = readdir(d)) != NULL) {
		struct span file = span_of(e->d_name);
		int r;

		if (e->d_name[0] == '.' || file.len <= 4 ||
		    !span_eq(span_skip(file, file.len - 4), SPAN_LIT(".pem")))
			continue;
		r = load_one(names, dir, span_head(file, file.len - 4), make_ctx, arg, err);
		if (r < 0)
			return r;
	}
	return errno ? err_errno(err, errno, "certificates in %s", dir) : 0;
}

int tls_names_load(SSL_CTX *default_ctx, const char *dir, SSL_CTX *(*make_ctx)(void *arg, struct err *err),
                   void *arg, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(names_freep) struct tls_names *names = calloc(1, sizeof(*names));
	int r;

	(void) pthread_once(&once, make_ex_index);
	if (!names || ex_index < 0)
		return err_set(err, POD_E_NOMEM, "certificate names");
	r = load_dir(names, dir, make_ctx, arg, err);
	if (r < 0)
		return r;
	if (names->n)
		qsort(names->names, names->n, sizeof(*names->names), compare);
	if (SSL_CTX_set_ex_data(default_ctx, ex_index, names) != 1)
		return err_set(err, POD_E_NOMEM, "certificate names");
	(void) SSL_CTX_set_tlsext_servername_callback(default_ctx, on_server_name);
	(void) SSL_CTX_set_tlsext_servername_arg(default_ctx, names);
	(void) take_ptr(names);
	return 0;
}
