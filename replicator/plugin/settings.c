#include "replicator/plugin/settings.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"

static const char *const formats[] = { [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL };
static const char *const levels[] = {
	[LOGL_DEBUG] = "debug",     [LOGL_INFO] = "info",   [LOGL_NOTICE] = "notice",
	[LOGL_WARNING] = "warning", [LOGL_ERROR] = "error", NULL,
};
static const char *const compressions[] = {
	[LINK_COMPRESS_NONE] = "none", [LINK_COMPRESS_LZ4] = "lz4", [LINK_COMPRESS_ZSTD] = "zstd", NULL
};
static const char *const modes[] = {
	[PEER_ASYNC] = "async", [PEER_SEMI_SYNC] = "semi-sync", [PEER_SYNC] = "sync", NULL
};

static int check_token(struct span value, struct err *err)
{
	uint64_t token;

	if (span_to_u64(value, &token) < 0 || token == 0)
		return err_set(err, POD_E_SYNTAX, "a fencing token is expected: a number above 0");
	return 0;
}

/* Of a link: a replica is somewhere else, so no unix socket. */
static int check_address(struct span value, struct err *err)
{
	struct net_addr addr;
	int r = net_addr_parse(value, &addr, err);

	if (r == 0 && addr.ss.ss_family == AF_UNIX)
		return err_set(err, POD_E_SYNTAX, "HOST:PORT is expected");
	return r;
}

/* clang-format off */
const struct conf_item settings_items[] = {
	CONF_PATH(settings, folder, "", "The replica's folder, as `replicator create` made it."),
	CONF_STRING(settings, name, "", conf_check_name, "The volume's name, and so the export's."),
	CONF_STRING(settings, site, "", conf_check_name, "This replica's site: what its peers call it."),
	CONF_PATH(settings, control, "", "Path of the control socket. Made for its owner only."),
	CONF_PATH(settings, stage, "", "The stage: a file on a tmpfs, made where it is missing."),
	CONF_SIZE(settings, stage_size, "64M", "8M", "4G", "Size of the stage in memory, a power of two."),
	CONF_SIZE(settings, snapshot_reserve, "0", "0", "1024T",
	        "What all snapshots together may take; beyond it the oldest that is not held goes. 0: no bound but "
	        "the disk."),
	CONF_SIZE(settings, resync_rate, "0", "0", "1T",
	        "What is compared a second, at most, in a resync or verify with a peer. 0: no bound."),
	CONF_STRING(settings, link_listen, "", check_address, "Where peers connect to: HOST:PORT."),
	CONF_STRING(settings, peer, "", NULL,
	        "Another replica: NAME,mode=sync|semi-sync|async[,address=HOST:PORT][,wait=5s][,identity=CN][,in_sync=yes]"
	        "[,compress=none|lz4|zstd]. "
	        "Without an address it is never connected to, but may connect to us. May be given again."),
	CONF_PATH(settings, tls_cert, "", "This replica's certificate, for links and for NBD over TCP (PEM)."),
	CONF_PATH(settings, tls_key, "", "Its private key."),
	CONF_PATH(settings, tls_ca, "", "The CA that signed the certificates of peers and of NBD clients."),
	CONF_STRING(settings, primary, "", check_token, "Become primary at once, with this fencing token."),
	CONF_CHOICE(settings, log_format, "text", formats, "Lines for people, or one JSON object per line."),
	CONF_CHOICE(settings, log_level, "info", levels, "The least important events that are logged."),
	CONF_COUNT(settings, parent, "0", "0", "4194304",
	        "Process to end with. 0: none. Filled in by `replicator serve`."),
};
/* clang-format on */
const size_t settings_items_n = ARRAY_SIZE(settings_items);

static const struct conf_item *item_find(const char *name)
{
	for (size_t i = 0; i < settings_items_n; i++)
		if (strcmp(settings_items[i].name, name) == 0)
			return &settings_items[i];
	return NULL;
}

int settings_init(struct settings *s, struct arena *a, struct err *err)
{
	*s = (struct settings){ .arena = a };
	for (size_t i = 0; i < settings_items_n; i++) {
		const struct conf_item *item = &settings_items[i];
		int r = *item->default_text ? conf_value_set(item, s, span_of(item->default_text), a, err)
		                            : 0;

		if (r < 0)
			return err_wrap(err, r, "%s", item->name);
	}
	return 0;
}

/* ---- peers ---- */

/* What may stand behind a peer's name, read as a setting is. */
struct peer_fields {
	const char *address, *identity;
	unsigned int mode;
	uint64_t wait_ms;
	unsigned int compress;
	bool in_sync;
};

#define NO_MODE UINT_MAX

/* clang-format off */
static const struct conf_item peer_items[] = {
	CONF_STRING(peer_fields, address, "", check_address, ""),
	CONF_STRING(peer_fields, identity, "", NULL, ""),
	CONF_CHOICE(peer_fields, mode, "", modes, ""),
	CONF_TIME(peer_fields, wait, "5s", "100ms", "10m", ""),
	CONF_BOOL(peer_fields, in_sync, "no", ""),
	CONF_CHOICE(peer_fields, compress, "none", compressions, ""),
};
/* clang-format on */

static int peer_field(struct peer_fields *f, struct span part, struct arena *a, struct err *err)
{
	struct span value, key = span_split(part, '=', &value);

	for (size_t i = 0; i < ARRAY_SIZE(peer_items); i++)
		if (span_eq(key, span_of(peer_items[i].name))) {
			int r = conf_value_set(&peer_items[i], f, value, a, err);

			return r < 0 ? err_wrap(err, r, "%s", peer_items[i].name) : 0;
		}
	return err_set(err, POD_E_SYNTAX,
	               "\"" SPAN_FMT "\" is none of address=, mode=, wait=, identity=, in_sync=, compress=",
	               SPAN_ARG(span_head(key, 60)));
}

/* A text into a place of fixed size. */
static int keep(char *at, size_t size, const char *text, const char *what, struct err *err)
{
	if (strlen(text) >= size)
		return err_set(err, POD_E_LIMIT, "%s: at most %zu bytes", what, size - 1);
	(void) snprintf(at, size, "%s", text);
	return 0;
}

static int peer_parse(struct settings *s, struct span text, struct peer_config *ret, struct err *err)
{
	struct peer_fields f = { .mode = NO_MODE };
	struct peer_config p = { 0 };
	struct span rest, name = span_split(text, ',', &rest);
	int r = conf_check_name(name, err);

	while (r == 0 && rest.p) {
		struct span part = span_split(rest, ',', &rest);

		r = peer_field(&f, part, s->arena, err);
	}
	if (r == 0 && f.mode == NO_MODE)
		r = err_set(err, POD_E_SYNTAX,
		            "NAME,mode=sync|semi-sync|async[,address=HOST:PORT,...] is expected");
	if (r == 0 && name.len >= sizeof(p.name))
		r = err_set(err, POD_E_LIMIT, "name: at most %zu bytes", sizeof(p.name) - 1);
	if (r == 0)
		r = keep(p.address, sizeof(p.address), f.address ? f.address : "", "address", err);
	if (r == 0)
		r = keep(p.identity, sizeof(p.identity), f.identity ? f.identity : "", "identity", err);
	if (r < 0)
		return r;
	memcpy(p.name, name.p, name.len);
	p.mode = (enum peer_mode) f.mode;
	p.wait_ms = (uint32_t) f.wait_ms;
	p.in_sync = f.in_sync;
	p.compress = (enum link_compress) f.compress;
	*ret = p;
	return 0;
}

static int peer_add(struct settings *s, const char *text, struct err *err)
{
	struct peer_config p;
	int r;

	if (s->peers_n == PEERS_MAX)
		return err_set(err, POD_E_LIMIT, "a replica has at most %d peers", PEERS_MAX);
	r = peer_parse(s, span_of(text), &p, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->peers_n; i++)
		if (strcmp(s->peers[i].name, p.name) == 0)
			return err_set(err, POD_E_EXISTS, "peer %s is given twice", p.name);
	s->peers[s->peers_n++] = p;
	return 0;
}

/* ---- one, and all ---- */

int settings_set(struct settings *s, const char *name, const char *text, struct err *err)
{
	const struct conf_item *item = item_find(name);
	int r;

	if (!item)
		return err_set(err, POD_E_NOTFOUND, "there is no setting %s", name);
	r = conf_value_set(item, s, span_of(text), s->arena, err);
	if (r == 0 && strcmp(name, "peer") == 0)
		r = peer_add(s, text, err);
	if (r == 0 && strcmp(name, "primary") == 0)
		r = span_to_u64(span_of(text), &s->token);
	return r < 0 ? err_wrap(err, r, "%s", name) : 0;
}

static bool given(const char *text)
{
	return text && *text;
}

static int check_link(const struct settings *s, struct err *err)
{
	bool tls = given(s->tls_cert) && given(s->tls_key) && given(s->tls_ca);

	if (!tls && (given(s->tls_cert) || given(s->tls_key) || given(s->tls_ca)))
		return err_set(err, POD_E_CONFIG, "certificate, key and CA go together");
	if (!tls && (given(s->link_listen) || s->peers_n))
		return err_set(err, POD_E_CONFIG,
		               "links between replicas need a certificate, its key and the CA");
	for (size_t i = 0; i < s->peers_n; i++)
		if (strcmp(s->peers[i].name, s->site) == 0)
			return err_set(err, POD_E_CONFIG, "peer %s is this replica's own site", s->site);
	return 0;
}

int settings_check(const struct settings *s, struct err *err)
{
	const struct {
		const char *name, *value;
	} needed[] = { { "folder", s->folder },
		       { "name", s->name },
		       { "site", s->site },
		       { "control", s->control },
		       { "stage", s->stage } };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!given(needed[i].value))
			return err_set(err, POD_E_CONFIG, "%s is missing", needed[i].name);
	if (strlen(s->site) >= PEER_NAME_SIZE)
		return err_set(err, POD_E_CONFIG, "a site's name has at most %u bytes", PEER_NAME_SIZE - 1);
	if (s->stage_size & (s->stage_size - 1))
		return err_set(err, POD_E_CONFIG, "the stage's size has to be a power of two");
	return check_link(s, err);
}
