/*
 * What nbdkit calls. It owns sockets, handshakes, TLS and threads; this file only hands its calls on to the
 * replica and to exports. An API of callbacks without an argument needs the one static thing there is here.
 *
 * Several connections may be open at once (can_multi_conn): all of them write into one log in one order, and
 * a flush on any commits whatever was written before, on whichever.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "proc/proc.h"
#include "replicator/core/record.h"
#include "replicator/plugin/ending.h"
#include "replicator/plugin/export.h"
#include "replicator/plugin/memory.h"
#include "replicator/plugin/messages.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define SETTINGS_BYTES_MAX 65536

static struct {
	struct arena *arena;
	struct settings settings;
	struct replica *replica;
} server;

/* ---- start and end ---- */

static void podmail_load(void)
{
	struct err err = { 0 };

	memory_hold();
	log_setup("replicator", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	server.arena = arena_create(SETTINGS_BYTES_MAX);
	if (!server.arena || settings_init(&server.settings, server.arena, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "replicator.failed", F_ERR(&err));
		exit(EXIT_FAILURE);
	}
}

static int podmail_config(const char *key, const char *value)
{
	struct err err = { 0 };

	if (settings_set(&server.settings, key, value, &err) == 0)
		return 0;
	nbdkit_error("%s", err_text(&err));
	return -1;
}

static int podmail_config_complete(void)
{
	struct err err = { 0 };

	if (settings_check(&server.settings, &err) == 0)
		return 0;
	nbdkit_error("%s", err_text(&err));
	return -1;
}

/* When it ends. nbdkit has made SIGHUP, SIGINT and SIGTERM mean that. */
static void set_end(const struct settings *s)
{
	(void) signal(SIGHUP, SIG_IGN); /* "read your configuration again": it came by the command line */
	/* Ctrl-C reaches podd and all it started; podd unmounts, then sends SIGTERM. */
	if (getenv("PODMAIL_READY_FD"))
		(void) signal(SIGINT, SIG_IGN);
	/* nbdkit ends with its parent by itself where it is handed its socket; whether it shall is not its
	 * choice here. */
	if (s->parent)
		proc_die_with_parent((pid_t) s->parent);
	else
		(void) prctl(PR_SET_PDEATHSIG, 0);
}

static int start(struct err *err)
{
	const struct settings *s = &server.settings;
	int r = messages_start(s->log_format, s->log_level, err);

	if (r == 0)
		r = privilege_harden(err);
	if (r < 0)
		return r;
	set_end(s);
	memory_tell();
	r = replica_open(s, &server.replica, err);
	return r == 0 ? ending_start(server.replica, err) : r;
}

/* nbdkit's socket listens already: who connects now is served as soon as this returns. */
static int podmail_after_fork(void)
{
	const struct settings *s = &server.settings;
	struct err err = { 0 };

	if (start(&err) < 0) {
		log_event(NULL, LOGL_ERROR, "replicator.failed", F_STR("volume", s->name),
		          F_STR("site", s->site), F_ERR(&err));
		messages_stop();
		return -1;
	}
	log_event(NULL, LOGL_NOTICE, "replicator.ready", F_STR("volume", s->name), F_STR("site", s->site),
	          F_STR("role", replica_is_primary(server.replica) ? "primary" : "secondary"),
	          F_UINT("size", disk_size(server.replica->disk)));
	proc_notify_ready();
	return 0;
}

static void podmail_cleanup(void)
{
	if (!server.replica)
		return;
	ending_stop();
	server.replica = replica_close(server.replica);
	log_event(NULL, LOGL_NOTICE, "replicator.stopped", F_STR("volume", server.settings.name));
	messages_stop();
}

static void podmail_unload(void)
{
	server.arena = arena_free(server.arena);
}

/* ---- exports ---- */

/* nbdkit keeps the texts until the connection ends. */
static int add_snapshot(struct nbdkit_exports *exports, const struct snapshot_info *info)
{
	char when[CLOCK_ISO_SIZE];
	const char *name = nbdkit_printf_intern("%s@%s", server.settings.name, info->name);
	const char *description = nbdkit_printf_intern("snapshot of %s, epoch %llu, read-only",
	                                               clock_format_iso(info->time_ms, when, sizeof(when)),
	                                               (unsigned long long) info->epoch);

	return name && description ? nbdkit_add_export(exports, name, description) : -1;
}

static int add_snapshots(struct nbdkit_exports *exports)
{
	struct snapshot_info list[SNAPSHOTS_MAX];
	size_t n = snapshots_list(disk_snapshots(server.replica->disk), list, SNAPSHOTS_MAX);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n && i < SNAPSHOTS_MAX; i++)
		r = add_snapshot(exports, &list[i]);
	return r;
}

static int podmail_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	if (replica_is_primary(server.replica) &&
	    nbdkit_add_export(exports, server.settings.name, "the volume") < 0)
		return -1;
	return add_snapshots(exports);
}

static const char *podmail_default_export(int readonly, int is_tls)
{
	return server.settings.name;
}

static void *podmail_open(int readonly)
{
	const char *name = nbdkit_export_name();
	struct export *e = NULL;
	struct err err = { 0 };

	if (!name)
		return NULL;
	if (export_open(server.replica, name, &e, &err) == 0)
		return e;
	log_event(NULL, LOGL_WARNING, "export.refused", F_STR("export", name), F_ERR(&err));
	return NULL;
}

static void podmail_close(void *handle)
{
	(void) export_close(handle);
}

static const char *podmail_export_description(void *handle)
{
	const struct export *e = handle;

	return e->kind->writable ? "the volume" : "a snapshot, read-only";
}

static int64_t podmail_get_size(void *handle)
{
	const struct export *e = handle;

	return (int64_t) e->size;
}

static int podmail_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	*minimum = *preferred = RECORD_BLOCK;
	*maximum = REQUEST_BYTES_MAX;
	return 0;
}

/* ---- what an export can do ---- */

static int yes(void *handle)
{
	return 1;
}

static int no(void *handle)
{
	return 0;
}

static int podmail_is_writable(void *handle)
{
	const struct export *e = handle;

	return e->kind->writable;
}

static int podmail_can_fua(void *handle)
{
	return NBDKIT_FUA_NATIVE;
}

/* The image is read with direct I/O: there is no cache that reading ahead would warm, so doing nothing is all
 * of it. */
static int podmail_can_cache(void *handle)
{
	return NBDKIT_CACHE_NATIVE;
}

static int podmail_cache(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	return 0;
}

/* ---- requests ---- */

static int answer(struct export *e, const char *what, uint64_t offset, uint64_t length, int r,
                  const struct err *err)
{
	if (r == 0)
		return 0;
	replica_tell_failure(e->replica, what, offset, length, err);
	nbdkit_set_error(export_errno(r));
	return -1;
}

static int flush_after(struct export *e, uint32_t flags, int r, struct err *err)
{
	return r == 0 && flags & NBDKIT_FLAG_FUA ? e->kind->flush(e, err) : r;
}

/* With nbdkit's blocksize filter above us nobody asks for less than a block; without it, they are told. */
static int check_blocks(uint64_t offset, uint64_t length, struct err *err)
{
	if ((offset | length) % RECORD_BLOCK)
		return err_set(err, POD_E_SYNTAX, "not a multiple of %u", RECORD_BLOCK);
	return 0;
}

static int podmail_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct export *e = handle;
	struct err err = { 0 };
	int r = check_blocks(offset, count, &err);

	if (r == 0)
		r = e->kind->read(e, buf, count, offset, &err);
	return answer(e, "read", offset, count, r, &err);
}

static int podmail_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct export *e = handle;
	struct err err = { 0 };
	int r = check_blocks(offset, count, &err);

	if (r == 0)
		r = e->kind->write(e, buf, count, offset, &err);
	return answer(e, "write", offset, count, flush_after(e, flags, r, &err), &err);
}

static int zero(struct export *e, const char *what, uint32_t count, uint64_t offset, uint32_t flags,
                unsigned int disk_flags)
{
	struct err err = { 0 };
	int r = check_blocks(offset, count, &err);

	if (r == 0)
		r = e->kind->zero(e, count, offset, disk_flags, &err);
	return answer(e, what, offset, count, flush_after(e, flags, r, &err), &err);
}

/* A record in the log, whatever its length: always fast (NBDKIT_FLAG_FAST_ZERO needs no look). */
static int podmail_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	return zero(handle, "zero", count, offset, flags, flags & NBDKIT_FLAG_MAY_TRIM ? DISK_TRIM : 0);
}

static int podmail_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	return zero(handle, "trim", count, offset, flags, DISK_TRIM);
}

static int podmail_flush(void *handle, uint32_t flags)
{
	struct export *e = handle;
	struct err err = { 0 };
	int r = e->kind->flush ? e->kind->flush(e, &err) : 0; /* a snapshot is on the disk, all of it */

	return answer(e, "flush", 0, 0, r, &err);
}

static int podmail_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                           struct nbdkit_extents *extents)
{
	struct export *e = handle;
	struct err err = { 0 };

	return answer(e, "extents", offset, count, e->kind->extents(e, count, offset, extents, &err), &err);
}

static struct nbdkit_plugin plugin = {
	.name = "podmail",
	.longname = "podmail replicated volume",
	.version = POD_VERSION,
	.description = "One replica of a podmail volume. Started by `replicator serve`; see replicator(8).",
	.load = podmail_load,
	.unload = podmail_unload,
	.config = podmail_config,
	.config_complete = podmail_config_complete,
	.config_help = "See `replicator serve --help`: its options are this plugin's parameters.",
	.after_fork = podmail_after_fork,
	.cleanup = podmail_cleanup,
	.list_exports = podmail_list_exports,
	.default_export = podmail_default_export,
	.open = podmail_open,
	.close = podmail_close,
	.export_description = podmail_export_description,
	.get_size = podmail_get_size,
	.block_size = podmail_block_size,
	.is_rotational = no,
	.can_write = podmail_is_writable,
	.can_flush = yes,
	.can_fua = podmail_can_fua,
	.can_trim = podmail_is_writable,
	.can_zero = podmail_is_writable,
	.can_fast_zero = podmail_is_writable,
	.can_multi_conn = yes,
	.can_extents = yes,
	.can_cache = podmail_can_cache,
	.pread = podmail_pread,
	.pwrite = podmail_pwrite,
	.zero = podmail_zero,
	.trim = podmail_trim,
	.flush = podmail_flush,
	.extents = podmail_extents,
	.cache = podmail_cache,
	.errno_is_preserved = 0,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
