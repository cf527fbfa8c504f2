#include "store/maildir/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/le.h"

#define MAGIC          "PST1"
#define HEADER         40
#define SUM_AT         32
#define FLAG_GONE      1u
#define VERSION_DIGITS 16
#define READ_STEP      8192
#define FILE_NAME_SIZE (STATE_NAME_MAX + VERSION_DIGITS + 2)

/* ---- names ---- */

bool state_name_is_valid(struct span name)
{
	static const char others[] = "._:@=+,~-/";

	if (name.len == 0 || name.len > STATE_NAME_MAX || name.p[0] == '.' || name.p[0] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) &&
		    !memchr(others, name.p[i], sizeof(others) - 1))
			return false;
	return true;
}

void state_folder_path(struct layout_path *p, struct span user_id)
{
	layout_user(p, user_id);
	layout_add(p, LAYOUT_STATE);
}

static void swap_bytes(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

static void file_name(char file[FILE_NAME_SIZE], struct span name, uint64_t version)
{
	(void) snprintf(file, FILE_NAME_SIZE, SPAN_FMT ".%016llx", SPAN_ARG(name),
	                (unsigned long long) version);
	swap_bytes(file, '/', '%');
}

void state_file_path(struct layout_path *p, struct span user_id, struct span name, uint64_t version)
{
	char file[FILE_NAME_SIZE];

	file_name(file, name, version);
	state_folder_path(p, user_id);
	layout_add(p, file);
}

void state_staged_path(struct layout_path *p, struct span user_id, struct span name, uint64_t version)
{
	char file[FILE_NAME_SIZE];

	file_name(file, name, version);
	layout_set(p, LAYOUT_STAGING "/v-" SPAN_FMT "#%s", SPAN_ARG(user_id), file);
}

static bool parse_version(const char *digits, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < VERSION_DIGITS; i++) {
		char c = digits[i];

		if (!ascii_is_digit((uint8_t) c) && !(c >= 'a' && c <= 'f'))
			return false;
		v = v << 4 | (uint64_t) (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret = v;
	return true;
}

/* 1, 0 where the file is none of ours, -POD_E_NOMEM. */
static int parse_file_name(const char *file, struct arena *a, struct scanned_state *ret)
{
	size_t len = strlen(file);
	char *name;

	if (len < VERSION_DIGITS + 2 || file[len - VERSION_DIGITS - 1] != '.' ||
	    !parse_version(file + len - VERSION_DIGITS, &ret->version))
		return 0;
	name = arena_str(a, span_make(file, len - VERSION_DIGITS - 1));
	if (!name)
		return -POD_E_NOMEM;
	swap_bytes(name, '%', '/');
	ret->name = span_of(name);
	return state_name_is_valid(ret->name);
}

int state_staged_parse(const char *file, struct arena *a, struct span *ret_user_id, struct scanned_state *ret)
{
	struct span rest, user = span_split(span_skip(span_of(file), 2), '#', &rest);

	if (strncmp(file, "v-", 2) != 0 || !rest.p || !layout_user_is_valid(user))
		return 0;
	*ret_user_id = user;
	return parse_file_name((const char *) rest.p, a, ret);
}

/* ---- bytes ---- */

/* The header's sum is of the header before it, and seeds that of the rest. */
static uint64_t sum_of(struct span bytes)
{
	struct span rest = span_skip(bytes, HEADER);

	return XXH3_64bits_withSeed(rest.p, rest.len, XXH3_64bits(bytes.p, SUM_AT));
}

static int encode(const struct state_file *f, struct buf *out)
{
	uint8_t header[HEADER] = MAGIC;

	le_put32(header + 4, f->gone ? FLAG_GONE : 0);
	le_put64(header + 8, f->version);
	le_put64(header + 16, (uint64_t) f->changed);
	le_put32(header + 24, (uint32_t) f->name.len);
	le_put32(header + 28, (uint32_t) f->value.len);
	buf_add(out, span_make(header, HEADER));
	buf_add(out, f->name);
	buf_add(out, f->value);
	if (out->failed)
		return -POD_E_NOMEM;
	le_put64(out->p + SUM_AT, sum_of(buf_span(out)));
	return 0;
}

int state_file_decode(struct span bytes, struct state_file *ret, struct err *err)
{
	struct span rest = span_skip(bytes, HEADER);
	uint64_t name_len, value_len;

	if (bytes.len < HEADER || memcmp(bytes.p, MAGIC, 4) != 0)
		return err_set(err, POD_E_CORRUPT, "no file of a state");
	name_len = le_get32(bytes.p + 24);
	value_len = le_get32(bytes.p + 28);
	if (name_len + value_len != rest.len || le_get64(bytes.p + SUM_AT) != sum_of(bytes))
		return err_set(err, POD_E_CORRUPT, "a state's file is not whole");
	*ret = (struct state_file){ .name = span_head(rest, name_len),
		                    .value = span_skip(rest, name_len),
		                    .version = le_get64(bytes.p + 8),
		                    .changed = (int64_t) le_get64(bytes.p + 16),
		                    .gone = le_get32(bytes.p + 4) & FLAG_GONE };
	return 0;
}

/* ---- files ---- */

int state_file_write(int dir, struct span user_id, const struct state_file *f, struct err *err)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	_cleanup_(closep) int fd = -1;
	struct layout_path path;
	int r = encode(f, &bytes);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "a state");
	state_folder_path(&path, user_id);
	r = file_mkdir(dir, path.s, err);
	if (r < 0)
		return r;
	state_staged_path(&path, user_id, f->name, f->version);
	/* One of that name is what a commit that failed left behind. */
	fd = openat(dir, path.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, errno, "create %s", path.s);
	r = file_write_at(fd, buf_span(&bytes), 0, err);
	if (r < 0)
		(void) unlinkat(dir, path.s, 0);
	return r;
}

static int read_all(int fd, struct buf *out, struct err *err)
{
	for (;;) {
		uint8_t *to = buf_reserve(out, READ_STEP);
		ssize_t n = to ? read(fd, to, READ_STEP) : 0;

		if (!to || out->len > HEADER + STATE_NAME_MAX + STATE_VALUE_MAX)
			return err_set(err, to ? POD_E_CORRUPT : POD_E_NOMEM, "a state's file is too large");
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "read") : 0;
		out->len += (size_t) n;
	}
}

/* What was read must be what the file's name says, and outlive the bytes. */
static int take(const struct buf *bytes, struct span name, uint64_t version, struct arena *a,
                struct state_file *ret, struct err *err)
{
	struct state_file f;
	int r = state_file_decode(buf_span(bytes), &f, err);

	if (r < 0)
		return r;
	if (f.version != version || !span_eq(f.name, name))
		return err_set(err, POD_E_CORRUPT, "another state than its name says");
	f.name = arena_dup(a, f.name);
	f.value = f.value.len ? arena_dup(a, f.value) : SPAN_LIT("");
	if (!f.name.p || !f.value.p)
		return err_set(err, POD_E_NOMEM, "a state");
	*ret = f;
	return 0;
}

static int read_path(int dir, const char *path, struct span name, uint64_t version, struct arena *a,
                     struct state_file *ret, struct err *err)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	_cleanup_(closep) int fd = -1;
	int r = file_open_beneath(dir, path, 0, &fd, err);

	if (r == 0)
		r = read_all(fd, &bytes, err);
	if (r == 0)
		r = take(&bytes, name, version, a, ret, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

int state_file_read(int dir, struct span user_id, struct span name, uint64_t version, struct arena *a,
                    struct state_file *ret, struct err *err)
{
	struct layout_path path;
	int r;

	state_file_path(&path, user_id, name, version);
	r = read_path(dir, path.s, name, version, a, ret, err);
	if (r != -POD_E_NOTFOUND)
		return r;
	state_staged_path(&path, user_id, name, version);
	return read_path(dir, path.s, name, version, a, ret, err);
}

int state_file_read_beneath(int folder, struct span name, uint64_t version, struct arena *a,
                            struct state_file *ret, struct err *err)
{
	char file[FILE_NAME_SIZE];

	file_name(file, name, version);
	return read_path(folder, file, name, version, a, ret, err);
}

/* ---- folders ---- */

static int compare(const void *a, const void *b)
{
	const struct scanned_state *x = a, *y = b;
	int c = span_cmp(x->name, y->name);

	return c ? c : x->version < y->version ? 1 : x->version > y->version ? -1 : 0;
}

static int add(struct arena *a, struct scanned_states *list, const char *file)
{
	struct scanned_state s;
	int r = parse_file_name(file, a, &s);

	if (r <= 0)
		return r;
	if (list->n == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 64;
		list->items = arena_grow(a, list->items, list->n, list->cap, sizeof(*list->items));
		if (!list->items)
			return -POD_E_NOMEM;
	}
	list->items[list->n++] = s;
	return 0;
}

int state_folder_scan(int folder, struct arena *a, struct scanned_states *ret, struct err *err)
{
	struct scanned_states list = { 0 };
	DIR *d = fdopendir(folder);
	const struct dirent *e;
	int r = 0;

	if (!d) {
		(void) close(folder);
		return err_errno(err, errno, "list a folder of states");
	}
	while (r == 0 && (e = readdir(d)))
		r = add(a, &list, e->d_name);
	(void) closedir(d);
	if (r < 0)
		return err_set(err, POD_E_NOMEM, "list a folder of states");
	if (list.n)
		qsort(list.items, list.n, sizeof(*list.items), compare);
	*ret = list;
	return 0;
}

int state_files_scan(int dir, struct span user_id, struct arena *a, struct scanned_states *ret,
                     struct err *err)
{
	struct layout_path path;
	int folder;

	state_folder_path(&path, user_id);
	folder = openat(dir, path.s, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (folder < 0 && errno == ENOENT) {
		*ret = (struct scanned_states){ 0 };
		return 0;
	}
	return folder < 0 ? err_errno(err, errno, "open %s", path.s) : state_folder_scan(folder, a, ret, err);
}
