#include "imapd/eas/item/reference.h"

const char *eas_item_server_id(struct arena *a, const char *folder_id, uint32_t uid)
{
	return arena_printf(a, "%s:%u", folder_id, uid);
}

int eas_item_parse_server_id(struct span id, struct span *ret_folder_id, uint32_t *ret_uid)
{
	struct span rest, folder = span_split(id, ':', &rest);
	uint32_t uid;

	if (folder.len == 0 || span_to_u32(rest, &uid) < 0 || uid == 0)
		return -POD_E_SYNTAX;
	*ret_folder_id = folder;
	*ret_uid = uid;
	return 0;
}

const char *eas_file_reference(struct arena *a, const char *folder_id, uint32_t uid, struct span path)
{
	return arena_printf(a, "%s:%u:" SPAN_FMT, folder_id, uid, SPAN_ARG(path.len ? path : SPAN_LIT("0")));
}

int eas_path_parse(struct span text, struct eas_reference *r)
{
	r->path_n = 0;
	if (span_eq(text, SPAN_LIT("0")))
		return 0;
	do {
		struct span number = span_split(text, '.', &text);

		if (r->path_n == EAS_PATH_MAX || span_to_u32(number, &r->path[r->path_n]) < 0 ||
		    r->path[r->path_n] == 0)
			return -POD_E_SYNTAX;
		r->path_n++;
	} while (text.p);
	return 0;
}

int eas_file_reference_parse(struct span text, struct eas_reference *ret_reference)
{
	struct eas_reference r = { .path_n = 0 };
	struct span rest;
	int e;

	r.folder_id = span_split(text, ':', &rest);
	e = span_to_u32(span_split(rest, ':', &rest), &r.uid);
	if (r.folder_id.len == 0 || e < 0 || r.uid == 0)
		return -POD_E_SYNTAX;
	e = eas_path_parse(rest, &r);
	if (e == 0)
		*ret_reference = r;
	return e;
}
