#include "kv/kv_internal.h"

static const struct {
	int mdb;
	enum pod_error code;
} errors[] = {
	{ MDB_KEYEXIST, POD_E_EXISTS },
	{ MDB_NOTFOUND, POD_E_NOTFOUND },
	{ MDB_MAP_FULL, POD_E_NOSPACE },
	{ MDB_CORRUPTED, POD_E_CORRUPT },
	{ MDB_PAGE_NOTFOUND, POD_E_CORRUPT },
	{ MDB_INVALID, POD_E_CORRUPT },
	{ MDB_INCOMPATIBLE, POD_E_CORRUPT },
	{ MDB_VERSION_MISMATCH, POD_E_VERSION },
	{ MDB_PANIC, POD_E_IO },
	{ MDB_READERS_FULL, POD_E_BUSY },
	{ MDB_MAP_RESIZED, POD_E_BUSY },
	{ MDB_DBS_FULL, POD_E_LIMIT },
	{ MDB_TLS_FULL, POD_E_LIMIT },
	{ MDB_TXN_FULL, POD_E_LIMIT },
	{ MDB_CURSOR_FULL, POD_E_LIMIT },
	{ MDB_BAD_VALSIZE, POD_E_LIMIT },
};

int kv_error(struct err *err, int code, const char *doing)
{
	if (code == 0)
		return 0;
	if (code > 0)
		return err_errno(err, code, "%s", doing);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].mdb == code)
			return err_set(err, errors[i].code, "%s: %s", doing, mdb_strerror(code));
	return err_set(err, POD_E_INTERNAL, "%s: %s", doing, mdb_strerror(code));
}
