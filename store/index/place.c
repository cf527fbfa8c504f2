#include "store/index/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/index/write_behind.h"

struct place_name place_name_of(uint32_t mailbox, uint32_t uid, const struct record *r)
{
	return (struct place_name){ mailbox, uid, r->flags, r->internal_date, r->size, r->guid };
}

static struct maildir_name name_of(const struct volume *vol, const struct place_name *n)
{
	return (struct maildir_name){ n->internal_date, n->guid, span_of(vol->file.name), n->size, n->uid, n->flags };
}

void place_final(const struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
                 struct layout_path *ret)
{
	struct maildir_name name = name_of(vol, n);
	char text[MAILDIR_NAME_SIZE];

	(void) maildir_name_format(&name, text);
	layout_mailbox(ret, m->user_id, m->name);
	layout_add(ret, maildir_subfolder(n->flags));
	layout_add(ret, text);
}

void place_staged_name(const struct volume *vol, const struct place_name *n, char text[STAGED_NAME_SIZE])
{
	struct maildir_name name = name_of(vol, n);

	(void) staged_name_format(n->mailbox, &name, text);
}

void place_staged(const struct volume *vol, const struct place_name *n, struct layout_path *ret)
{
	char text[STAGED_NAME_SIZE];

	place_staged_name(vol, n, text);
	layout_set(ret, LAYOUT_STAGING "/%s", text);
}

void place_all(const struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
               const struct pending *p, struct places *ret)
{
	struct place_name before = *n;

	ret->n = 0;
	if (p) {
		before.flags = p->file_flags;
		if (p->staged)
			place_staged(vol, &before, &ret->at[ret->n++]);
	}
	if (!m)
		return;
	if (p && before.flags != n->flags)
		place_final(vol, m, &before, &ret->at[ret->n++]);
	place_final(vol, m, n, &ret->at[ret->n++]);
}

int place_find(struct volume *vol, struct kv_txn *txn, const struct mailbox_info *m, const struct place_name *n,
               struct places *ret, struct err *err)
{
	struct place_name done = *n;
	struct pending p;
	int r = pending_get(txn, &vol->t, n->mailbox, n->uid, &p, err);

	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	place_all(vol, m, n, r == 0 ? &p : NULL, ret);
	if (r == 0 && write_behind_flags(vol, n->mailbox, n->uid, &done.flags) && done.flags != n->flags)
		place_final(vol, m, &done, &ret->at[ret->n++]);
	return 0;
}

/* ---- looking by listing ---- */

/* Whether a file's name is that message's, whatever flags it says. */
static bool is_name_of(const char *text, const struct maildir_name *n)
{
	struct maildir_name found;

	/* Parsed without the info part, which another tool may spell its own way. */
	return maildir_name_parse(span_split(span_of(text), ':', &(struct span){ 0 }), &found) == 0 &&
	       guid_eq(&found.guid, &n->guid) && found.uid == n->uid && found.time == n->time;
}

static int search_folder(struct volume *vol, const char *path, const struct maildir_name *n, struct places *ret,
                         struct err *err)
{
	int fd = openat(vol->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		int why = errno;

		if (fd >= 0)
			(void) close(fd);
		return why == ENOENT ? 0 : err_errno(err, why, "list %s", path);
	}
	while (ret->n == 0 && (e = readdir(d))) {
		if (is_name_of(e->d_name, n)) {
			layout_set(&ret->at[0], "%s/%s", path, e->d_name);
			ret->n = 1;
		}
	}
	(void) closedir(d);
	return 0;
}

int place_search(struct volume *vol, const struct mailbox_info *m, const struct place_name *n, struct places *ret,
                 struct err *err)
{
	static const char *const subfolders[] = { "cur", "new" };
	const struct maildir_name name = name_of(vol, n);
	int r = 0;

	ret->n = 0;
	for (size_t i = 0; r == 0 && ret->n == 0 && i < 2; i++) {
		struct layout_path path;

		layout_mailbox(&path, m->user_id, m->name);
		layout_add(&path, subfolders[i]);
		r = search_folder(vol, path.s, &name, ret, err);
	}
	return r;
}
