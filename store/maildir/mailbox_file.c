#include "store/maildir/mailbox_file.h"

#include "store/maildir/json.h"
#include "store/maildir/layout.h"
#include "storeproto/storeproto.h"

int mailbox_file_write(int dir, const char *folder, const struct mailbox_file *f, struct err *err)
{
	_cleanup_json_ json_t *keywords = json_array();
	struct layout_path path;
	char guid[ID_TEXT_SIZE];

	for (size_t i = 0; i < f->keywords_n; i++)
		if (json_array_append_new(keywords, json_string(f->keywords[i])) < 0)
			return err_set(err, POD_E_NOMEM, "mailbox file");
	guid_format(&f->guid, guid);
	layout_set(&path, "%s/" LAYOUT_MAILBOX_FILE, folder);
	return json_file_write(dir, path.s,
	                       json_pack("{s:i, s:I, s:s, s:I, s:I, s:s, s:O, s:s*}", "version", 1, "id", (json_int_t) f->id,
	                                 "guid", guid, "uidvalidity", (json_int_t) f->uidvalidity, "uid_reserve",
	                                 (json_int_t) f->uid_reserve, "special_use", f->special_use, "keywords",
	                                 keywords, "made_for", f->made_for),
	                       err);
}

static int keywords_read(struct arena *a, const json_t *list, struct mailbox_file *f, const char *path, struct err *err)
{
	size_t n = json_array_size(list);
	const char **names = arena_array(a, n, sizeof(*names));

	if (n > STORE_KEYWORDS_MAX)
		return err_set(err, POD_E_CORRUPT, "%s: more than %d keywords", path, STORE_KEYWORDS_MAX);
	if (!names)
		return err_set(err, POD_E_NOMEM, "%s", path);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s || !*s)
			return err_set(err, POD_E_CORRUPT, "%s: a keyword is not a name", path);
		names[i] = arena_str(a, span_of(s));
		if (!names[i])
			return err_set(err, POD_E_NOMEM, "%s", path);
	}
	f->keywords = names;
	f->keywords_n = n;
	return 0;
}

int mailbox_file_read(int dir, const char *folder, struct arena *a, struct mailbox_file *ret_file, struct err *err)
{
	_cleanup_json_ json_t *j = NULL;
	struct mailbox_file f = { 0 };
	struct layout_path path;
	uint64_t id, validity, reserve;
	int r;

	layout_set(&path, "%s/" LAYOUT_MAILBOX_FILE, folder);
	r = json_file_read(dir, path.s, &j, err);
	if (r < 0)
		return r;
	id = json_member_u64(j, "id");
	validity = json_member_u64(j, "uidvalidity");
	reserve = json_member_u64(j, "uid_reserve");
	f.special_use = json_member_str(a, j, "special_use");
	f.made_for = json_member_str(a, j, "made_for");
	if (!f.special_use || !f.made_for)
		return err_set(err, POD_E_NOMEM, "%s", path.s);
	if (id > UINT32_MAX || validity == 0 || validity > UINT32_MAX || reserve > UINT32_MAX ||
	    guid_parse(span_of(json_string_value(json_object_get(j, "guid"))), &f.guid) < 0)
		return err_set(err, POD_E_CORRUPT, "%s: id, guid, uidvalidity or uid_reserve is not one", path.s);
	f.id = (uint32_t) id;
	f.uidvalidity = (uint32_t) validity;
	f.uid_reserve = (uint32_t) reserve;
	r = keywords_read(a, json_object_get(j, "keywords"), &f, path.s, err);
	if (r == 0)
		*ret_file = f;
	return r;
}

int mailbox_folder_make(int dir, const char *folder, const struct mailbox_file *f, struct err *err)
{
	static const char *const subfolders[] = { "", "/cur", "/new", "/tmp" };
	struct layout_path path;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(subfolders); i++) {
		layout_set(&path, "%s%s", folder, subfolders[i]);
		r = file_mkdir(dir, path.s, err);
	}
	return r < 0 ? r : mailbox_file_write(dir, folder, f, err);
}
