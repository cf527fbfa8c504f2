#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/value.h"
#include "net/listener.h"
#include "replicator/core/record.h"
#include "replicator/cli/commands.h"
#include "replicator/cli/nbdkit.h"
#include "replicator/cli/options.h"
#include "replicator/cli/sanitizer.h"
#include "replicator/plugin/export.h"
#include "replicator/plugin/settings.h"

#define ARENA_BYTES (1u << 18)

static const char usage[] =
	"usage: replicator serve --folder DIR --name VOLUME --site SITE --nbd ADDRESS --control PATH --stage "
        "PATH\n"
	"                        [--link-listen HOST:PORT --tls-cert FILE --tls-key FILE --tls-ca FILE]\n"
	"                        [--peer NAME,mode=sync|semi-sync|async[,address=HOST:PORT]]... [--primary "
        "TOKEN]\n"
	"\n"
	"Serves a replica as NBD export VOLUME while it is primary, and its snapshots as VOLUME@SNAPSHOT. It "
        "starts as\n"
	"secondary; podd promotes it over the control socket.\n";

/* What only this program needs to know; the rest is the plugin's (replicator/plugin/settings.h). */
struct serve_options {
	const char *nbd, *nbdkit;
	unsigned int threads;
	bool outlive_parent;
	struct settings settings;
	struct nbdkit_arguments parameters; /* the plugin's, as given */
};

static int check_address(struct span value, struct err *err)
{
	struct net_addr addr;

	return net_addr_parse(value, &addr, err);
}

/* clang-format off */
static const struct conf_item items[] = {
	CONF_STRING(serve_options, nbd, "", check_address,
	            "Where NBD clients connect to: unix:PATH or HOST:PORT. TCP is TLS with the certificates below, both ways; "
	            "without them only a loopback address is taken."),
	CONF_COUNT(serve_options, threads, "32", "1", "256", "Requests that one connection may have under way."),
	CONF_BOOL(serve_options, outlive_parent, "no", "Do not end with the process that started this."),
	CONF_PATH(serve_options, nbdkit, "nbdkit", "The nbdkit program."),
};
/* clang-format on */

static int take_own(void *arg, const struct conf_item *item, const char *text, struct err *err)
{
	struct serve_options *o = arg;

	return conf_value_set(item, o, span_of(text), o->settings.arena, err);
}

static int take_setting(void *arg, const struct conf_item *item, const char *text, struct err *err)
{
	struct serve_options *o = arg;
	int r = settings_set(&o->settings, item->name, text, err);

	nbdkit_add(&o->parameters, "%s=%s", item->name, text);
	return r;
}

static bool has_tls(const struct settings *s)
{
	return s->tls_cert && *s->tls_cert;
}

static int check(const struct serve_options *o, struct net_addr *ret_nbd, struct err *err)
{
	int r;

	if (!o->nbd || !*o->nbd)
		return err_set(err, POD_E_CONFIG, "nbd is missing");
	r = settings_check(&o->settings, err);
	if (r == 0)
		r = net_addr_parse(span_of(o->nbd), ret_nbd, err);
	if (r == 0 && !net_addr_is_loopback(ret_nbd) && !has_tls(&o->settings))
		r = err_set(err, POD_E_CONFIG,
		            "NBD on %s needs certificates (--tls-cert, --tls-key, --tls-ca): without TLS "
		            "only unix "
		            "sockets and loopback addresses are served",
		            o->nbd);
	return r;
}

/* TLS, and certificates asked of clients, wherever the network is involved and there are certificates. */
static int add_tls(const struct serve_options *o, const struct net_addr *nbd, struct nbdkit_arguments *a,
                   struct err *err)
{
	const struct settings *s = &o->settings;
	const char *folder = NULL;
	int r;

	if (nbd->ss.ss_family == AF_UNIX || !has_tls(s)) {
		nbdkit_add(a, "--tls=off");
		return 0;
	}
	r = nbdkit_make_tls_folder(a->arena, s->control, s->tls_cert, s->tls_key, s->tls_ca, &folder, err);
	if (r < 0)
		return r;
	nbdkit_add(a, "--tls=require");
	nbdkit_add(a, "--tls-verify-peer");
	nbdkit_add(a, "--tls-certificates=%s", folder);
	return 0;
}

/*
 * blocksize: clients may ask for any bytes, the log and the disk know blocks of 4 KiB. It would also take
 * requests of any length apart, and say so; nbdkit refuses those over 64 MiB before. blocksize-policy says
 * what clients should do.
 */
static int make_arguments(const struct serve_options *o, const struct net_addr *nbd,
                          struct nbdkit_arguments *a, struct err *err)
{
	const char *plugin = NULL;
	int r = nbdkit_find_plugin(a->arena, &plugin, err);

	if (r < 0)
		return r;
	nbdkit_add(a, "%s", o->nbdkit);
	nbdkit_add(a, "--foreground");
	nbdkit_add(a, "--log=stderr");
	nbdkit_add(a, "--threads=%u", o->threads);
	r = add_tls(o, nbd, a, err);
	if (r < 0)
		return r;
	nbdkit_add(a, "--filter=blocksize-policy");
	nbdkit_add(a, "--filter=blocksize");
	nbdkit_add(a, "%s", plugin);
	nbdkit_add(a, "blocksize-minimum=1");
	nbdkit_add(a, "blocksize-preferred=%u", RECORD_BLOCK);
	nbdkit_add(a, "blocksize-maximum=%u", REQUEST_BYTES_MAX);
	for (size_t i = 0; i < o->parameters.n; i++)
		nbdkit_add(a, "%s", o->parameters.argv[i]);
	if (!o->outlive_parent)
		nbdkit_add(a, "parent=%d", (int) getppid());
	return 0;
}

static int serve(const struct serve_options *o, const struct net_addr *nbd, struct err *err)
{
	struct nbdkit_arguments a = { .arena = o->settings.arena, .full = o->parameters.full };
	int fd = -1, r = make_arguments(o, nbd, &a, err);

	if (r == 0)
		r = listener_open(nbd, 0, &fd, err);
	if (r == 0)
		r = nbdkit_pass_socket(fd, err);
	if (r == 0)
		r = sanitizer_hand_on(err);
	return r == 0 ? nbdkit_become(&a, err) : r;
}

int cmd_serve(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *arena = arena_create(ARENA_BYTES);
	struct serve_options o = { .nbdkit = "nbdkit", .threads = 32, .parameters = { .arena = arena } };
	const struct option_rows rows[] = { { items, ARRAY_SIZE(items), take_own, &o },
		                            { settings_items, settings_items_n, take_setting, &o } };
	struct net_addr nbd;
	struct err err = { 0 };
	int r = arena ? settings_init(&o.settings, arena, &err) : -POD_E_NOMEM;

	if (r == 0) {
		r = options_parse("serve", usage, rows, ARRAY_SIZE(rows), argc, argv);
		if (r >= 0)
			return r;
		r = check(&o, &nbd, &err);
		if (r < 0)
			return options_wrong("serve", &err);
		log_setup("replicator", STDERR_FILENO, o.settings.log_format, o.settings.log_level);
		(void) serve(&o, &nbd, &err);
	}
	log_event(NULL, LOGL_ERROR, "replicator.failed", F_ERR(&err));
	return REPLICATOR_EXIT_FAILED;
}
