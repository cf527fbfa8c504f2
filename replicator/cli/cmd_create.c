#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "conf/value.h"
#include "replicator/cli/commands.h"
#include "replicator/disk/disk.h"
#include "replicator/cli/options.h"

#define ARENA_BYTES 65536

static const char usage[] = "usage: replicator create --folder DIR --size SIZE [OPTION]...\n"
			    "\n"
			    "Makes an empty replica. All replicas of a volume have the same id and size.\n";

struct create_options {
	struct arena *arena;
	const char *folder, *volume_id, *image_device;
	uint64_t size, log_size;
	unsigned int format;
};

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = { [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", NULL };

static int check_volume_id(struct span value, struct err *err)
{
	struct guid id;

	return guid_parse(value, &id) < 0 ? err_set(err, POD_E_SYNTAX, "32 hex digits are expected") : 0;
}

/* clang-format off */
static const struct conf_item items[] = {
	CONF_PATH(create_options, folder, "", "The folder to make; it may exist, but must be empty."),
	CONF_SIZE(create_options, size, "", "64K", "64T", "Size of the volume, a multiple of 64K."),
	CONF_SIZE(create_options, log_size, "256M", "16M", "1T", "Size of the log, a multiple of 1M."),
	CONF_STRING(create_options, volume_id, "", check_volume_id,
	            "32 hex digits that all replicas of the volume share. Not given: a new one is made and printed."),
	CONF_PATH(create_options, image_device, "", "A block device to hold the image, all of it. Not given: a sparse file."),
	CONF_CHOICE(create_options, format, "text", formats, "text or json: how the result is printed."),
};
/* clang-format on */

static int take(void *arg, const struct conf_item *item, const char *text, struct err *err)
{
	struct create_options *o = arg;

	return conf_value_set(item, o, span_of(text), o->arena, err);
}

static int check(const struct create_options *o, struct err *err)
{
	if (!o->folder || !*o->folder)
		return err_set(err, POD_E_SYNTAX, "--folder is missing");
	if (!o->size)
		return err_set(err, POD_E_SYNTAX, "--size is missing");
	if (o->size % 65536)
		return err_set(err, POD_E_SYNTAX, "--size: a multiple of 64K is expected");
	if (o->log_size % (1u << 20))
		return err_set(err, POD_E_SYNTAX, "--log-size: a multiple of 1M is expected");
	return 0;
}

static void print_json(const struct create_options *o, const char *id)
{
	json_t *json = json_pack("{ss, ss, sI, sI}", "folder", o->folder, "volume_id", id, "size_bytes",
	                         (json_int_t) o->size, "log_bytes", (json_int_t) o->log_size);

	(void) json_dumpf(json, stdout, JSON_INDENT(2));
	(void) putchar('\n');
	json_decref(json);
}

static int create(const struct create_options *o)
{
	struct guid id = guid_new();
	struct disk_format f = { .size_bytes = o->size, .log_bytes = o->log_size };
	char text[ID_TEXT_SIZE];
	struct err err = { 0 };

	if (o->volume_id)
		(void) guid_parse(span_of(o->volume_id), &id); /* the row has checked it */
	if (o->image_device && *o->image_device)
		f.image_device = o->image_device;
	memcpy(f.volume_id, id.b, sizeof(f.volume_id));
	guid_format(&id, text);
	if (disk_create(o->folder, &f, &err) < 0) {
		(void) fprintf(stderr, "replicator create: %s\n", err_text(&err));
		return REPLICATOR_EXIT_FAILED;
	}
	if (o->format == FORMAT_JSON)
		print_json(o, text);
	else
		(void) printf("%s: replica of volume %s\n", o->folder, text);
	return REPLICATOR_EXIT_GOOD;
}

int cmd_create(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_BYTES);
	struct create_options o = { .arena = a, .log_size = 256u << 20 };
	const struct option_rows rows = { items, ARRAY_SIZE(items), take, &o };
	struct err err = { 0 };
	int r = options_parse("create", usage, &rows, 1, argc, argv);

	if (r >= 0)
		return r;
	return check(&o, &err) < 0 ? options_wrong("create", &err) : create(&o);
}
