/*
 * What `replicator serve` and the plugin it starts agree on: each setting is one row, an option of the first
 * (--link-listen) and a parameter of the second (link_listen=). Both read it with the same row, so that what
 * is wrong is told before nbdkit runs. One thread.
 */
#ifndef REPLICATOR_PLUGIN_SETTINGS_H
#define REPLICATOR_PLUGIN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/item.h"
#include "net/listener.h"
#include "replicator/core/superblock.h"
#include "replicator/link/link.h"

/* Texts are the arena's; NULL or "" where not given. */
struct settings {
	struct arena *arena;
	const char *folder, *name, *site, *control, *stage, *link_listen, *tls_cert, *tls_key, *tls_ca;
	const char *peer, *primary; /* as the row read them last; the whole is below */
	uint64_t stage_size, snapshot_reserve, resync_rate;
	unsigned int parent; /* process to die with; 0: none */
	enum log_format log_format;
	enum log_level log_level;
	struct peer_config peers[PEERS_MAX];
	size_t peers_n;
	uint64_t token; /* of primary; 0: start as secondary */
};

/* The rows, for option parsers and help texts. */
extern const struct conf_item settings_items[];
extern const size_t settings_items_n;

/* Defaults. a: for texts; outlives s. */
int settings_init(struct settings *s, struct arena *a, struct err *err);
/* -POD_E_NOTFOUND: no such setting. -POD_E_SYNTAX, -POD_E_LIMIT: err says what is expected. */
int settings_set(struct settings *s, const char *name, const char *text, struct err *err);
/* What no single row can tell: what is missing, and what does not go together. -POD_E_CONFIG. */
int settings_check(const struct settings *s, struct err *err);

#endif
