/* What a drill has shown, as JSON, and kept for the list. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "podctl/drill/drill.h"

static bool check_is_good(const struct check_result *c)
{
	return c->missing == 0 && c->doubled == 0 && c->flags_missing == 0;
}

bool drill_is_good(const struct drill_result *d)
{
	return check_is_good(&d->after_failover) && check_is_good(&d->after_failback);
}

static json_t *check_json(const struct check_result *c)
{
	return json_pack("{sI, sI, sI, sI, sI}", "checked", (json_int_t) c->checked, "missing",
	                 (json_int_t) c->missing, "doubled", (json_int_t) c->doubled, "flags_checked",
	                 (json_int_t) c->flags_checked, "flags_missing", (json_int_t) c->flags_missing);
}

/* Milliseconds; null where it did not happen. */
static json_t *time_json(int64_t ms)
{
	return ms < 0 ? json_null() : json_integer(ms);
}

static json_t *rto_json(const struct drill_result *d)
{
	return json_pack("{so, so, so, so}", "read_ms", time_json(d->read_ms), "accepted_ms",
	                 time_json(d->accepted_ms), "delivered_ms", time_json(d->delivered_ms), "promoted_ms",
	                 time_json(d->promoted_ms));
}

static json_t *rpo_json(const struct drill_result *d)
{
	return json_pack("{sI, sI, sb, sI, sI}", "messages", (json_int_t) d->after_failover.missing, "flags",
	                 (json_int_t) d->after_failover.flags_missing, "lag_known", (int) d->lag_known,
	                 "lag_bytes", (json_int_t) d->lag_bytes, "lag_ms", (json_int_t) d->lag_ms);
}

static const char *outcome_of(const struct drill_result *d, const struct err *err)
{
	return err->code ? "failed" : drill_is_good(d) ? "good" : "loss";
}

json_t *drill_json(const char *kind, const struct drill_options *o, const struct drill_result *d,
                   const struct err *err)
{
	json_t *json = json_pack(
		"{ss, ss, ss, ss, ss, ss, sI, sI, sI, sI, sI, sI, sI, sI, sI, so, so, so, so, so}", "drill",
		kind, "outcome", outcome_of(d, err), "volume", d->volume, "mode", d->mode, "from", d->from,
		"to", d->to, "started", (json_int_t) d->started, "per_second", (json_int_t) o->per_second,
		"seconds", (json_int_t) o->seconds, "killed", (json_int_t) d->killed, "acknowledged",
		(json_int_t) d->sums.acknowledged, "refused", (json_int_t) d->sums.refused, "unknown",
		(json_int_t) d->sums.unknown, "flags", (json_int_t) d->sums.flagged, "longest_accept_ms",
		(json_int_t) d->sums.longest_ms, "rto", rto_json(d), "rpo", rpo_json(d), "after_failover",
		check_json(&d->after_failover), "failback_ms", time_json(d->failback_ms), "after_failback",
		check_json(&d->after_failback));

	if (json && err->code)
		(void) json_object_set_new(
			json, "error",
			json_pack("{ss, ss}", "code", err_code_name(err->code), "message", err_text(err)));
	return json;
}

void drill_record(struct cli *cli, const json_t *result)
{
	time_t started = (time_t) json_integer_value(json_object_get(result, "started"));
	const char *dir = arena_printf(cli->arena, "%s/drills", cli->dir), *path;
	struct tm tm;
	char when[32];

	if (!dir || !gmtime_r(&started, &tm) || !strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		return;
	path = arena_printf(cli->arena, "%s/%s.json", dir, when);
	if (!path || (mkdir(dir, 0755) < 0 && errno != EEXIST) ||
	    json_dump_file(result, path, JSON_INDENT(2)) < 0)
		cli_note(cli, "The result could not be kept in %s: %s", dir, strerror(errno));
}
