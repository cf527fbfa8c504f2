/* How volumes are replicated, for Prometheus: one row a figure, one line a volume and site. */
#include <jansson.h>

#include "base/cleanup.h"
#include "podctl/podd/metrics.h"
#include "podctl/podd/stack.h"

struct figure {
	const char *name, *help;
	const char *key; /* of what the primary says of the site; NULL: */
	long long (*own)(const struct stack *s, size_t site); /* is asked of us */
};

static long long is_primary(const struct stack *s, size_t site)
{
	return site == s->core.primary;
}

static long long is_up(const struct stack *s, size_t site)
{
	return s->core.replicas[site].talks && !s->core.replicas[site].broken;
}

static long long is_in_sync(const struct stack *s, size_t site)
{
	return s->core.replicas[site].in_sync;
}

static long long is_serving(const struct stack *s, size_t site)
{
	return site == s->core.primary && stack_serves(&s->core);
}

static long long token_of(const struct stack *s, size_t site)
{
	return (long long) s->core.token;
}

/* clang-format off */
static const struct figure figures[] = {
	{ "podmail_replication_primary", "1 where the volume is written", NULL, is_primary },
	{ "podmail_replication_serving", "1 where the volume is promoted, mounted and served", NULL, is_serving },
	{ "podmail_replication_up", "1 while the replica answers and its disk takes writes", NULL, is_up },
	{ "podmail_replication_in_sync", "1 while the replica has everything that was acknowledged", NULL, is_in_sync },
	{ "podmail_replication_token", "Fencing token of the volume", NULL, token_of },
	{ "podmail_replication_lag_bytes", "Bytes of the log that the replica has not on its disk", "lag_bytes", NULL },
	{ "podmail_replication_lag_milliseconds", "Age of the oldest of them", "lag_ms", NULL },
	{ "podmail_replication_lag_epochs", "Flushes that the replica has not on its disk", "lag_epochs", NULL },
	{ "podmail_replication_dirty_bytes", "Bytes marked to be compared, which the log no longer has", "dirty_bytes", NULL },
	{ "podmail_replication_sent_bytes", "Bytes sent since the primary's process started", "bytes_sent", NULL },
	{ "podmail_replication_resync_sent_bytes", "Of these, by comparing", "resync_bytes_sent", NULL },
	{ "podmail_replication_raw_bytes", "What the bytes sent would be, were nothing compressed or left out", "bytes_raw", NULL },
	{ "podmail_replication_reconnects", "Connections to the replica since the primary's process started", "reconnects", NULL },
};
/* clang-format on */

static void print_site(const struct figure *f, const struct stack *s, size_t site, struct buf *out)
{
	const json_t *peer = stack_site_peer(&s->sites[s->core.primary], s->sites[site].name);
	long long value;

	if (f->key && (site == s->core.primary || !peer))
		return; /* the primary lags behind nobody; of a replica that it does not know there is no
		           figure */
	value = f->own ? f->own(s, site) : (long long) json_integer_value(json_object_get(peer, f->key));
	buf_printf(out, "%s{volume=\"%s\",site=\"%s\"} %lld\n", f->name, s->name, s->sites[site].name, value);
}

void metrics_print_replication(const struct podd *p, struct buf *out)
{
	const struct stack *s;

	if (LIST_EMPTY(&p->stacks))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", figures[i].name, figures[i].help,
		           figures[i].name);
		LIST_FOREACH(s, &p->stacks, link)
		for (size_t site = 0; site < s->core.n; site++)
			print_site(&figures[i], s, site, out);
	}
}
