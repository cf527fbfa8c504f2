#include "replicator/snapshot/snapshot_info.h"

#include <jansson.h>

#include "base/cleanup.h"

#define VERSION 1

int snapshot_info_format(const struct snapshot_info *info, uint64_t serial, char text[SNAPSHOT_JSON_MAX],
                         struct err *err)
{
	_cleanup_(json_decrefp) json_t *j = json_pack(
		"{s:i, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "version", VERSION, "serial", (json_int_t) serial,
		"lsn", (json_int_t) info->lsn, "epoch", (json_int_t) info->epoch, "time_ms",
		(json_int_t) info->time_ms, "size_bytes", (json_int_t) info->size_bytes, "held", info->held,
		"kind", info->reflink ? "reflink" : "copies");
	size_t n = j ? json_dumpb(j, text, SNAPSHOT_JSON_MAX - 1, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : 0;

	if (n == 0 || n >= SNAPSHOT_JSON_MAX - 1)
		return err_set(err, POD_E_NOMEM, "what snapshot %s is", info->name);
	text[n++] = '\n';
	text[n] = '\0';
	return 0;
}

/* A member that is a number of 0 or more. */
static int member_u64(const json_t *j, const char *name, uint64_t *ret, struct err *err)
{
	const json_t *m = json_object_get(j, name);

	if (!json_is_integer(m) || json_integer_value(m) < 0)
		return err_set(err, POD_E_CORRUPT, "\"%s\" is not a number of 0 or more", name);
	*ret = (uint64_t) json_integer_value(m);
	return 0;
}

static int kind_parse(const json_t *j, bool *ret_reflink, struct err *err)
{
	const char *kind = json_string_value(json_object_get(j, "kind"));

	if (!kind || (strcmp(kind, "copies") != 0 && strcmp(kind, "reflink") != 0))
		return err_set(err, POD_E_CORRUPT, "\"kind\" is neither copies nor reflink");
	*ret_reflink = strcmp(kind, "reflink") == 0;
	return 0;
}

int snapshot_info_parse(struct span text, struct snapshot_info *ret_info, uint64_t *ret_serial,
                        struct err *err)
{
	_cleanup_(json_decrefp) json_t *j =
		json_loadb((const char *) text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	struct snapshot_info info = { 0 };
	uint64_t version = 0, serial = 0, time_ms = 0;
	int r;

	if (!json_is_object(j))
		return err_set(err, POD_E_CORRUPT, "not a JSON object");
	r = member_u64(j, "version", &version, err);
	if (r == 0 && version != VERSION)
		return err_set(err, POD_E_VERSION, "version %llu, this podmail knows %d",
		               (unsigned long long) version, VERSION);
	r = r < 0 ? r : member_u64(j, "serial", &serial, err);
	r = r < 0 ? r : member_u64(j, "lsn", &info.lsn, err);
	r = r < 0 ? r : member_u64(j, "epoch", &info.epoch, err);
	r = r < 0 ? r : member_u64(j, "time_ms", &time_ms, err);
	r = r < 0 ? r : member_u64(j, "size_bytes", &info.size_bytes, err);
	r = r < 0 ? r : kind_parse(j, &info.reflink, err);
	if (r < 0)
		return r;
	if (info.size_bytes == 0 || info.size_bytes % 4096 || info.size_bytes >> 48)
		return err_set(err, POD_E_CORRUPT, "\"size_bytes\" is no size of a volume");
	info.time_ms = (int64_t) time_ms;
	info.held = json_is_true(json_object_get(j, "held"));
	*ret_info = info;
	*ret_serial = serial;
	return 0;
}
