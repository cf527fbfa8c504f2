#include "conf/conf_internal.h"

#include <unistd.h>

#include "conf/value.h"

static const char *keep(struct conf_loaded *l, char *s, struct problems *problems)
{
	problems->nomem |= !s;
	return s ? s : "";
}

/* Absolute as it is, relative behind the folder; the folder itself for ".". */
static const char *path_under(struct conf_loaded *l, const char *folder, const char *path,
                              struct problems *problems)
{
	if (path[0] == '/')
		return path;
	if (strcmp(path, ".") == 0)
		return folder;
	return keep(l, arena_printf(l->arena, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path),
	            problems);
}

static const char *folder_of(struct conf_loaded *l, const char *file, struct problems *problems)
{
	const char *slash = strrchr(file, '/');
	size_t len = slash ? (size_t) (slash - file) : 0;

	return len ? keep(l, arena_str(l->arena, span_make(file, len)), problems) : "/";
}

static void resolve_path(struct conf_loaded *l, const struct conf_section *s, const struct conf_item *item,
                         struct problems *problems)
{
	const char **at = (const char **) (void *) ((char *) conf_section_of(l, s) + item->offset);

	if (at == &l->conf.pod.dir)
		return;
	*at = (*at)[0] ? path_under(l, l->conf.pod.dir, *at, problems) : NULL;
}

static void resolve_paths(struct conf_loaded *l, struct problems *problems)
{
	struct pod_conf *pod = &l->conf.pod;

	pod->dir =
		path_under(l, folder_of(l, l->conf.file, problems), pod->dir[0] ? pod->dir : ".", problems);
	for (size_t s = 0; s < CONF_SECTIONS; s++)
		for (size_t i = 0; i < conf_sections[s]->n; i++)
			if (conf_sections[s]->items[i].type == CONF_TYPE_PATH)
				resolve_path(l, conf_sections[s], &conf_sections[s]->items[i], problems);
}

static void resolve_workers(unsigned int *workers)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (*workers == 0)
		*workers = cores < 1 ? 1 : (unsigned int) cores;
}

/* A path nobody can do without was set to nothing. */
static void require_paths(const struct conf_loaded *l, struct problems *problems)
{
	const struct conf *c = &l->conf;
	const struct {
		const char *const *field, *name;
	} required[] = {
		{ &c->pod.run_dir, "pod.run_dir" },
		{ &c->pod.directory_dir, "pod.directory_dir" },
		{ &c->pod.volumes_dir, "pod.volumes_dir" },
		{ &c->tls.cert, "tls.cert" },
		{ &c->tls.key, "tls.key" },
		{ &c->tls.ca, "tls.ca" },
		{ &c->mta.queue_dir, "mta.queue_dir" },
		{ &c->podd.admin_socket, "podd.admin_socket" },
		{ &c->replication.sites_dir, "replication.sites_dir" },
		{ &c->replication.stage_dir, "replication.stage_dir" },
		{ &c->filter.dir, "filter.dir" },
		{ &c->outbound.dir, "outbound.dir" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		if (!*required[i].field)
			problem_add(problems, conf_line_of(l, required[i].field), "%s: a path is expected",
			            required[i].name);
}

/* Pairs of options of which one bounds the other. */
static void check_pairs(const struct conf_loaded *l, struct problems *problems)
{
	const struct conf *c = &l->conf;
	const struct {
		const uint64_t *less, *more;
		const char *less_name, *more_name;
	} pairs[] = {
		{ &c->mta.queue_retry_min_ms, &c->mta.queue_retry_max_ms, "mta.queue_retry_min",
		  "mta.queue_retry_max" },
		{ &c->mta.queue_lifetime_ms, &c->stored.delivery_memory_ms, "mta.queue_lifetime",
		  "stored.delivery_memory" },
		{ &c->podd.restart_min_ms, &c->podd.restart_max_ms, "podd.restart_min", "podd.restart_max" },
		{ &c->filter.greylist_delay_ms, &c->filter.greylist_window_ms, "filter.greylist_delay",
		  "filter.greylist_window" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		unsigned int line = conf_line_of(l, pairs[i].less);

		if (*pairs[i].less > *pairs[i].more)
			problem_add(problems, line ? line : conf_line_of(l, pairs[i].more),
			            "%s is longer than %s", pairs[i].less_name, pairs[i].more_name);
	}
	if (strcmp(c->replication.standby_site, c->pod.site) == 0)
		problem_add(problems,
		            conf_line_of(l, &c->replication.standby_site) ?: conf_line_of(l, &c->pod.site),
		            "replication.standby_site is pod.site itself");
	if (!c->tls.client_cert != !c->tls.client_key)
		problem_add(problems,
		            conf_line_of(l, c->tls.client_cert ? &c->tls.client_cert : &c->tls.client_key),
		            "tls.client_cert and tls.client_key go together");
}

void conf_derive(struct conf_loaded *l, struct problems *problems)
{
	struct conf *c = &l->conf;

	resolve_paths(l, problems);
	resolve_workers(&c->mta.workers);
	resolve_workers(&c->imapd.workers);
	if (!c->mta.hostname[0])
		c->mta.hostname = keep(l, arena_printf(l->arena, "mx.%s", c->pod.domain), problems);
	if (!c->imapd.client_host[0])
		c->imapd.client_host = c->mta.hostname;
	conf_derive_endpoints(l, problems);
	require_paths(l, problems);
	check_pairs(l, problems);
}
