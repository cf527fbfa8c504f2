#include "store/maildir/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"

static void closedirp(DIR **d)
{
	if (*d)
		(void) closedir(*d);
}

/* *ret_dir NULL where there is no such folder. */
static int open_folder(int dir, const char *path, DIR **ret_dir, struct err *err)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	*ret_dir = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "list %s", path);
	*ret_dir = fdopendir(fd);
	if (*ret_dir)
		return 0;
	(void) close(fd);
	return err_set(err, POD_E_NOMEM, "list %s", path);
}

/* ---- messages ---- */

static int add_file(struct arena *a, struct scanned_files *list, const char *name, const struct stat *st, bool in_new)
{
	struct scanned_file f = { .in_new = in_new, .size = (uint64_t) st->st_size, .inode = st->st_ino, .mtime = st->st_mtime };
	struct span info;

	f.name = arena_str(a, span_of(name));
	if (!f.name)
		return -POD_E_NOMEM;
	f.ours = maildir_name_parse(span_split(span_of(f.name), ':', &info), &f.n) == 0;
	f.n.flags = maildir_flags_parse(span_of(f.name));
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		struct scanned_file *grown = arena_grow(a, list->items, list->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		list->items = grown;
		list->cap = cap;
	}
	list->items[list->n++] = f;
	return 0;
}

static int scan_subfolder(int dir, const char *folder, bool in_new, struct arena *a, struct scanned_files *list,
                          struct err *err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	const struct dirent *e;
	struct layout_path path;
	int r;

	layout_set(&path, "%s/%s", folder, in_new ? "new" : "cur");
	r = open_folder(dir, path.s, &d, err);
	while (r == 0 && d && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return err_errno(err, errno, "stat %s/%s", path.s, e->d_name);
		} else if (!S_ISREG(st.st_mode)) {
			list->odd++;
		} else if (add_file(a, list, e->d_name, &st, in_new) < 0) {
			return err_set(err, POD_E_NOMEM, "list %s", path.s);
		}
	}
	return r;
}

int scan_messages(int dir, const char *folder, struct arena *a, struct scanned_files *ret, struct err *err)
{
	struct scanned_files list = { 0 };
	int r = scan_subfolder(dir, folder, true, a, &list, err);

	if (r == 0)
		r = scan_subfolder(dir, folder, false, a, &list, err);
	if (r == 0)
		*ret = list;
	return r;
}

/* ---- mailboxes ---- */

static int add_name(struct arena *a, struct scanned_mailboxes *list, struct span name)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		struct span *grown = arena_grow(a, list->names, list->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		list->names = grown;
		list->cap = cap;
	}
	name = span_make(arena_str(a, name), name.len);
	if (!name.p)
		return -POD_E_NOMEM;
	list->names[list->n++] = name;
	return 0;
}

int scan_mailboxes(int dir, const char *maildir, struct arena *a, struct scanned_mailboxes *ret, struct err *err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct scanned_mailboxes list = { 0 };
	const struct dirent *e;
	int r = open_folder(dir, maildir, &d, err);

	if (r == 0 && !d)
		return err_set(err, POD_E_NOTFOUND, "no folder %s", maildir);
	if (r == 0 && add_name(a, &list, SPAN_LIT("INBOX")) < 0)
		r = err_set(err, POD_E_NOMEM, "list %s", maildir);
	while (r == 0 && (e = readdir(d))) {
		_cleanup_buf_ struct buf name = BUF_INIT;
		struct stat st;

		if (e->d_name[0] != '.' || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (maildir_folder_parse(span_of(e->d_name), &name) < 0)
			list.odd++;
		else if (add_name(a, &list, buf_span(&name)) < 0)
			r = err_set(err, POD_E_NOMEM, "list %s", maildir);
	}
	if (r == 0)
		*ret = list;
	return r;
}

/* ---- users ---- */

static int scan_spread(int dir, const char *path, scan_user_fn *fn, void *arg, struct err *err)
{
	_cleanup_(closedirp) DIR *d = NULL;
	const struct dirent *e;
	int r = open_folder(dir, path, &d, err);

	while (r == 0 && d && (e = readdir(d))) {
		struct layout_path parent;

		if (!layout_user_is_valid(span_of(e->d_name)))
			continue;
		layout_user_parent(&parent, span_of(e->d_name));
		if (strcmp(parent.s, path) == 0) /* in the place where we would look for it */
			r = fn(arg, e->d_name);
	}
	return r;
}

int scan_users(int dir, scan_user_fn *fn, void *arg, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < 256; i++) {
		struct layout_path path;

		layout_set(&path, LAYOUT_USERS "/%02x", i);
		r = scan_spread(dir, path.s, fn, arg, err);
	}
	return r;
}
