#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/value.h"
#include "replicator/cli/commands.h"
#include "replicator/cli/dump_log.h"
#include "replicator/cli/options.h"

#define ARENA_BYTES 65536
#define HEX_SIZE    33

static const char usage[] =
	"usage: replicator dump --folder DIR [--records] [--format json]\n"
	"\n"
	"Prints what a replica's superblock and log say, whether it is served or not. Changes nothing.\n";

enum dump_format { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = { [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", NULL };

struct dump_options {
	struct arena *arena;
	const char *folder;
	unsigned int format;
	bool records;
};

/* clang-format off */
static const struct conf_item items[] = {
	CONF_PATH(dump_options, folder, "", "The replica's folder."),
	CONF_BOOL(dump_options, records, "no", "A line for each record of the log instead."),
	CONF_CHOICE(dump_options, format, "text", formats, "text or json."),
};
/* clang-format on */

static const char *const types[RECORD_TYPES] = {
	[RECORD_WRITE] = "write",       [RECORD_ZERO] = "zero",
	[RECORD_TRIM] = "trim",         [RECORD_COMMIT] = "commit",
	[RECORD_SNAPSHOT] = "snapshot", [RECORD_SNAPSHOT_DELETE] = "snapshot_delete",
	[RECORD_RESIZE] = "resize",
};

static int take(void *arg, const struct conf_item *item, const char *text, struct err *err)
{
	struct dump_options *o = arg;

	return conf_value_set(item, o, span_of(text), o->arena, err);
}

/* ---- values ---- */

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t) v);
}

static json_t *hex(const uint8_t *bytes, size_t n)
{
	char text[HEX_SIZE] = "";

	for (size_t i = 0; i < n; i++)
		(void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *hex64(uint64_t v)
{
	return json_sprintf("%016llx", (unsigned long long) v);
}

static json_t *when(uint64_t wall_ms)
{
	char text[CLOCK_ISO_SIZE];

	return json_string(clock_format_iso((int64_t) wall_ms, text, sizeof(text)));
}

/* ---- the superblock ---- */

static json_t *generations_json(const struct superblock *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < GENERATIONS_MAX && s->generations[i].id; i++)
		(void) json_array_append_new(list, json_pack("{so, so}", "id", hex64(s->generations[i].id),
		                                             "end", number(s->generations[i].end)));
	return list;
}

static json_t *peers_json(const struct superblock *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < PEERS_MAX; i++) {
		const struct peer_record *p = &s->peers[i];

		if (*p->name)
			(void) json_array_append_new(list, json_pack("{ss, so, sb}", "name", p->name,
			                                             "needs_lsn", number(p->needs_lsn),
			                                             "in_bitmap", p->in_bitmap));
	}
	return list;
}

static json_t *superblock_json(const struct superblock *s, int slot)
{
	return json_pack("{si, so, so, so, so, so, ss, so, so, so, so, so, sb, so}", "slot", slot, "sequence",
	                 number(s->sequence), "volume_id", hex(s->volume_id, sizeof(s->volume_id)),
	                 "replica_id", hex(s->replica_id, sizeof(s->replica_id)), "size_bytes",
	                 number(s->size_bytes), "log_bytes", number(s->log_bytes), "role",
	                 s->role == ROLE_PRIMARY ? "primary" : "secondary", "token", number(s->token),
	                 "generations", generations_json(s), "tail_lsn", number(s->tail_lsn), "tail_epoch",
	                 number(s->tail_epoch), "consistent_from_lsn", number(s->consistent_from_lsn),
	                 "resync_under_way", s->resync_under_way, "peers", peers_json(s));
}

/* ---- the log ---- */

struct log_sum {
	uint64_t records[RECORD_TYPES], payload_bytes, behind_commit;
	struct record commit; /* the last; lsn 0: none */
};

static void sum_add(struct log_sum *sum, const struct record *r)
{
	sum->records[r->type]++;
	sum->payload_bytes += r->payload_size;
	sum->behind_commit++;
	if (r->type == RECORD_COMMIT) {
		sum->commit = *r;
		sum->behind_commit = 0;
	}
}

static json_t *sum_json(const struct log_sum *sum, uint64_t from, uint64_t to)
{
	json_t *records = json_object(), *json;

	for (size_t i = 1; i < RECORD_TYPES; i++)
		(void) json_object_set_new(records, types[i], number(sum->records[i]));
	json = json_pack("{so, so, so, so, so}", "from_lsn", number(from), "to_lsn", number(to), "records",
	                 records, "payload_bytes", number(sum->payload_bytes), "records_behind_last_commit",
	                 number(sum->behind_commit));
	if (sum->commit.lsn)
		(void) json_object_set_new(json, "last_commit",
		                           json_pack("{so, so, so}", "lsn", number(sum->commit.lsn), "epoch",
		                                     number(sum->commit.epoch), "time",
		                                     when(sum->commit.offset)));
	return json;
}

static json_t *record_json(const struct dump_log *l, const struct record *r)
{
	json_t *json = json_pack("{so, ss, so}", "lsn", number(r->lsn), "type", types[r->type], "epoch",
	                         number(r->epoch));
	char name[RECORD_NAME_MAX];

	switch (r->type) {
	case RECORD_WRITE:
	case RECORD_ZERO:
	case RECORD_TRIM:
		(void) json_object_set_new(json, "offset", number(r->offset));
		(void) json_object_set_new(json, "length", number(r->length));
		if (l->placed)
			(void) json_object_set_new(json, "in_image", json_true());
		break;
	case RECORD_COMMIT: (void) json_object_set_new(json, "time", when(r->offset)); break;
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_DELETE:
		if (record_name_get(l->payload, name))
			(void) json_object_set_new(json, "name", json_string(name));
		break;
	case RECORD_RESIZE: (void) json_object_set_new(json, "size_bytes", number(r->offset)); break;
	case RECORD_TYPES: break;
	}
	return json;
}

/* ---- printing: JSON, or the same as lines of text ---- */

static void print_text(const json_t *json, int depth);

static void print_member(const char *key, json_t *value, int depth)
{
	if (json_is_object(value) || json_is_array(value)) {
		(void) printf("%*s%s:\n", depth * 2, "", key);
		print_text(value, depth + 1);
	} else if (json_is_string(value)) {
		(void) printf("%*s%s: %s\n", depth * 2, "", key, json_string_value(value));
	} else if (json_is_boolean(value)) {
		(void) printf("%*s%s: %s\n", depth * 2, "", key, json_is_true(value) ? "yes" : "no");
	} else {
		(void) printf("%*s%s: %lld\n", depth * 2, "", key, (long long) json_integer_value(value));
	}
}

static void print_line(const json_t *json)
{
	const char *key, *between = "";
	json_t *value;

	json_object_foreach((json_t *) (uintptr_t) json, key, value)
	{
		if (json_is_string(value))
			(void) printf("%s%s=%s", between, key, json_string_value(value));
		else
			(void) printf("%s%s=%lld", between, key,
			              (long long) (json_is_boolean(value) ? json_is_true(value)
			                                                  : json_integer_value(value)));
		between = " ";
	}
	(void) putchar('\n');
}

static void print_text(const json_t *json, int depth)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *) (uintptr_t) json, key, value) print_member(key, value, depth);
	json_array_foreach(json, i, value)
	{
		(void) printf("%*s", depth * 2, "");
		print_line(value);
	}
}

static void print(json_t *json, const struct dump_options *o, bool as_line)
{
	if (o->format == FORMAT_JSON) {
		(void) json_dumpf(json, stdout, as_line ? JSON_COMPACT : JSON_INDENT(2));
		(void) putchar('\n');
	} else if (as_line) {
		print_line(json);
	} else {
		print_text(json, 0);
	}
	json_decref(json);
}

/* ---- the command ---- */

static int walk(struct dump_log *l, const struct dump_options *o, struct log_sum *sum, struct err *err)
{
	struct record record;
	int r;

	while ((r = dump_log_next(l, &record, err)) == 0) {
		sum_add(sum, &record);
		if (o->records)
			print(record_json(l, &record), o, true);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static int dump(const struct dump_options *o, struct dump_log *l, struct err *err)
{
	struct log_sum sum = { 0 };
	struct superblock s;
	int slot, r = dump_superblock(o->folder, &s, &slot, err);

	if (r == 0)
		r = dump_log_open(o->folder, &s, l, err);
	if (r < 0)
		return r;
	r = walk(l, o, &sum, err);
	dump_log_close(l);
	if (r == 0 && !o->records)
		print(json_pack("{ss, so, so}", "folder", o->folder, "superblock", superblock_json(&s, slot),
		                "log", sum_json(&sum, s.tail_lsn, l->lsn)),
		      o, false);
	return r;
}

int cmd_dump(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_BYTES);
	_cleanup_(freep) struct dump_log *l = malloc(sizeof(*l));
	struct dump_options o = { .arena = a };
	const struct option_rows rows = { items, ARRAY_SIZE(items), take, &o };
	struct err err = { 0 };
	int r = options_parse("dump", usage, &rows, 1, argc, argv);

	if (r >= 0)
		return r;
	if (!o.folder || !*o.folder) {
		(void) err_set(&err, POD_E_SYNTAX, "--folder is missing");
		return options_wrong("dump", &err);
	}
	r = l ? dump(&o, l, &err) : err_set(&err, POD_E_NOMEM, "dump");
	if (r < 0)
		(void) fprintf(stderr, "replicator dump: %s\n", err_text(&err));
	return r < 0 ? REPLICATOR_EXIT_FAILED : REPLICATOR_EXIT_GOOD;
}
