#include "directory/directory.h"

#include "directory/directory_internal.h"

#define MAP_BYTES   (1ull << 30) /* a million users take about a fifth of it */
#define TABLES_MAX  16
#define READERS_MAX 512 /* every worker of every front end on the host, and podctl's kin */
#define FILE_MODE   0640

static int open_tables(struct directory *dir, unsigned int flags, struct err *err)
{
	for (int k = 0; k < DIRECTORY_KINDS; k++) {
		const char *name = directory_kind_name((enum directory_kind) k);
		int r = kv_table_open(dir->kv, name, flags, &dir->tables[k], err);

		if (r < 0)
			return r;
	}
	return kv_table_open(dir->kv, "references", flags, &dir->refs, err);
}

static int open_as(const char *path, unsigned int kv_flags, unsigned int table_flags,
                   struct directory **ret_dir, struct err *err)
{
	const struct kv_options o = {
		.map_bytes = MAP_BYTES,
		.tables_max = TABLES_MAX,
		.readers_max = READERS_MAX,
		.flags = kv_flags,
		.mode = FILE_MODE,
	};
	struct directory *dir = calloc(1, sizeof(*dir));
	int r;

	if (!dir)
		return err_set(err, POD_E_NOMEM, "opening the directory");
	r = kv_open(path, &o, &dir->kv, err);
	if (r == 0)
		r = open_tables(dir, table_flags, err);
	if (r < 0) {
		(void) directory_close(dir);
		return err_wrap(err, r, "opening the directory");
	}
	*ret_dir = dir;
	return 0;
}

int directory_open(const char *path, struct directory **ret_dir, struct err *err)
{
	return open_as(path, KV_READONLY, 0, ret_dir, err);
}

int directory_open_writer(const char *path, struct directory **ret_dir, struct err *err)
{
	return open_as(path, KV_CREATE, KV_TABLE_CREATE, ret_dir, err);
}

struct directory *directory_close(struct directory *dir)
{
	if (dir) {
		(void) kv_close(dir->kv);
		free(dir);
	}
	return NULL;
}
