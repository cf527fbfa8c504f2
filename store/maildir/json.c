#include "store/maildir/json.h"

#include "base/buf.h"
#include "store/maildir/file.h"

int json_file_read(int dir, const char *path, json_t **ret_object, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_error_t why;
	json_t *j;
	int r = file_read(dir, path, JSON_FILE_MAX, &b, err);

	if (r < 0)
		return r == -POD_E_LIMIT ? -POD_E_CORRUPT : r;
	j = json_loadb((const char *) b.p, b.len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(err, POD_E_CORRUPT, "%s: %s", path, j ? "not an object" : why.text);
	}
	*ret_object = j;
	return 0;
}

int json_file_write(int dir, const char *path, json_t *object, struct err *err)
{
	_cleanup_json_ json_t *j = object;
	_cleanup_(freep) char *text = j ? json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

	if (!text)
		return err_set(err, POD_E_NOMEM, "write %s", path);
	return file_replace(dir, path, span_of(text), 0600, err);
}

const char *json_member_str(struct arena *a, const json_t *object, const char *name)
{
	const json_t *m = json_object_get(object, name);

	return json_is_string(m) ? arena_str(a, span_make(json_string_value(m), json_string_length(m))) : "";
}

uint64_t json_member_u64(const json_t *object, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(object, name));

	return v > 0 ? (uint64_t) v : 0;
}
