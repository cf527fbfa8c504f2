#include "store/maildir/folder.h"

#include "mime/mutf7.h"

static const struct span inbox = SPAN_LIT("INBOX");

static int level_check(struct span level, struct err *err)
{
	if (level.len == 0)
		return err_set(err, POD_E_SYNTAX, "a mailbox name has an empty level");
	for (size_t i = 0; i < level.len; i++)
		if (level.p[i] < 0x20 || level.p[i] == 0x7f)
			return err_set(err, POD_E_SYNTAX, "a mailbox name has a control character");
	return 0;
}

static int levels_check(struct span name, struct err *err)
{
	unsigned int levels = 0;

	do {
		int r = level_check(span_split(name, '/', &name), err);

		if (r < 0)
			return r;
		if (++levels > FOLDER_LEVELS_MAX)
			return err_set(err, POD_E_LIMIT, "a mailbox name has more than %d levels", FOLDER_LEVELS_MAX);
	} while (name.p);
	return 0;
}

int mailbox_name_canonical(struct arena *a, struct span name, struct span *ret_name, struct err *err)
{
	char folder[FOLDER_SIZE];
	struct span rest, first, canonical;
	uint8_t *p;
	int r;

	if (name.len > 1 && name.p[name.len - 1] == '/')
		name = span_head(name, name.len - 1);
	if (name.len >= FOLDER_SIZE)
		return err_set(err, POD_E_LIMIT, "a mailbox name of %zu bytes is too long", name.len);
	r = levels_check(name, err);
	if (r < 0)
		return r;
	p = arena_alloc(a, name.len);
	if (!p)
		return err_set(err, POD_E_NOMEM, "mailbox name");
	memcpy(p, name.p, name.len);
	first = span_split(name, '/', &rest);
	if (span_eq_nocase(first, inbox))
		memcpy(p, inbox.p, inbox.len);
	canonical = span_make(p, name.len);
	r = maildir_folder_format(canonical, folder);
	if (r < 0)
		return err_set(err, (enum pod_error) -r, r == -POD_E_LIMIT ? "a mailbox name is too long" : "a mailbox name is not UTF-8");
	*ret_name = canonical;
	return 0;
}

int maildir_folder_format(struct span name, char folder[FOLDER_SIZE])
{
	_cleanup_buf_ struct buf b = { .limit = FOLDER_SIZE - 1 };

	if (span_eq(name, inbox)) {
		buf_add_byte(&b, '.');
		name = SPAN_NONE;
	}
	while (name.p) {
		int r;

		buf_add_byte(&b, '.');
		r = mutf7_encode(span_split(name, '/', &name), ".", &b);
		if (r < 0)
			return r;
	}
	if (b.failed)
		return -POD_E_LIMIT;
	memcpy(folder, b.p, b.len);
	folder[b.len] = '\0';
	return 0;
}

/* Whether name is canonical and this its one folder: other spellings of a name are another tool's. */
static bool name_has_folder(struct span name, struct span folder)
{
	char again[FOLDER_SIZE];
	struct span rest, first = span_split(name, '/', &rest);

	if (levels_check(name, NULL) < 0 || (span_eq_nocase(first, inbox) && !(rest.p && span_eq(first, inbox))))
		return false;
	return maildir_folder_format(name, again) == 0 && span_eq(span_of(again), folder);
}

int maildir_folder_parse(struct span folder, struct buf *out)
{
	_cleanup_buf_ struct buf b = { .limit = FOLDER_SIZE };
	struct span whole = folder;

	if (span_eq(folder, SPAN_LIT("."))) {
		buf_add(out, inbox);
		return 0;
	}
	if (folder.len < 2 || folder.p[0] != '.')
		return -POD_E_SYNTAX;
	folder = span_skip(folder, 1);
	while (folder.p) {
		if (b.len)
			buf_add_byte(&b, '/');
		if (mutf7_decode(span_split(folder, '.', &folder), &b) < 0)
			return -POD_E_SYNTAX;
	}
	if (b.failed || !name_has_folder(buf_span(&b), whole))
		return -POD_E_SYNTAX;
	buf_add(out, buf_span(&b));
	return 0;
}
