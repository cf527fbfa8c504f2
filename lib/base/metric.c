#include "base/metric.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define MAGIC "podmetr1"
#define NAME_SIZE 104
#define HELP_SIZE 128
#define ITEMS_MAX 4096

struct slot {
	char name[NAME_SIZE];
	char help[HELP_SIZE];
	uint64_t type;
	_Atomic int64_t value;
};

struct file {
	char magic[8];
	uint64_t n;
	struct slot slots[];
};

/* One per process: the table is the program's, and counting must not need a handle in every room. */
static struct file *metrics;

static size_t file_size(size_t n)
{
	return sizeof(struct file) + n * sizeof(struct slot);
}

static bool same_table(const struct file *f, const struct metric_item *items, size_t n)
{
	if (memcmp(f->magic, MAGIC, sizeof(f->magic)) != 0 || f->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strncmp(f->slots[i].name, items[i].name, NAME_SIZE - 1) != 0)
			return false;
	return true;
}

static void init_table(struct file *f, const struct metric_item *items, size_t n)
{
	memset(f, 0, file_size(n));
	for (size_t i = 0; i < n; i++) {
		(void) snprintf(f->slots[i].name, NAME_SIZE, "%s", items[i].name);
		(void) snprintf(f->slots[i].help, HELP_SIZE, "%s", items[i].help);
		f->slots[i].type = items[i].type;
	}
	f->n = n;
	memcpy(f->magic, MAGIC, sizeof(f->magic));
}

int metric_open(const char *path, const struct metric_item *items, size_t n, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	struct file *f;

	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0 || ftruncate(fd, (off_t) file_size(n)) < 0)
			return err_errno(err, errno, "metrics file %s", path);
	}
	f = mmap(NULL, file_size(n), PROT_READ | PROT_WRITE, path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (f == MAP_FAILED)
		return err_errno(err, errno, "metrics file %s", path ? path : "(memory)");
	if (!same_table(f, items, n))
		init_table(f, items, n);
	for (size_t i = 0; i < n; i++) /* gauges count what a process holds now; the one before it is gone */
		if (items[i].type == METRIC_GAUGE)
			atomic_store(&f->slots[i].value, 0);
	metrics = f;
	return 0;
}

void metric_add(size_t item, int64_t delta)
{
	if (metrics && item < metrics->n)
		atomic_fetch_add_explicit(&metrics->slots[item].value, delta, memory_order_relaxed);
}

void metric_set(size_t item, int64_t value)
{
	if (metrics && item < metrics->n)
		atomic_store_explicit(&metrics->slots[item].value, value, memory_order_relaxed);
}

int64_t metric_get(size_t item)
{
	return metrics && item < metrics->n ? atomic_load(&metrics->slots[item].value) : 0;
}

/* ---- the collecting side ---- */

struct sum {
	char name[NAME_SIZE], help[HELP_SIZE];
	uint64_t type;
	int64_t value;
};

struct sums {
	struct sum *items;
	size_t n;
};

static int sums_add(struct sums *sums, const struct slot *slot)
{
	struct sum *grown;

	for (size_t i = 0; i < sums->n; i++) {
		if (strcmp(sums->items[i].name, slot->name) == 0) {
			sums->items[i].value += atomic_load(&slot->value);
			return 0;
		}
	}
	grown = realloc(sums->items, (sums->n + 1) * sizeof(*grown));
	if (!grown)
		return -POD_E_NOMEM;
	sums->items = grown;
	grown += sums->n++;
	memcpy(grown->name, slot->name, NAME_SIZE);
	memcpy(grown->help, slot->help, HELP_SIZE);
	grown->name[NAME_SIZE - 1] = grown->help[HELP_SIZE - 1] = '\0';
	grown->type = slot->type;
	grown->value = atomic_load(&slot->value);
	return 0;
}

/*
 * A copy of what is in the file: the process that it belongs to parses bytes from the internet and may do with
 * it what it likes at any moment, shorten it under a mapping of ours, too. NULL where it is no file of metrics.
 */
static int read_copy(int fd, struct file **ret_file)
{
	struct stat st;
	struct file *f;
	size_t size;

	*ret_file = NULL;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t) sizeof(*f))
		return 0;
	size = (size_t) st.st_size < file_size(ITEMS_MAX) ? (size_t) st.st_size : file_size(ITEMS_MAX);
	f = malloc(size);
	if (!f)
		return -POD_E_NOMEM;
	if (pread(fd, f, size, 0) != (ssize_t) size || memcmp(f->magic, MAGIC, sizeof(f->magic)) != 0 ||
	    f->n > ITEMS_MAX || file_size(f->n) > size)
		free(f);
	else
		*ret_file = f;
	return 0;
}

/* Control characters in a name or help would forge other lines of the exposition. */
static bool is_text(const char *s, size_t room)
{
	size_t n = strnlen(s, room);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char) s[i] < ' ' || s[i] == 0x7f)
			return false;
	return n > 0 && n < room;
}

static int add_file(int dirfd, const char *name, struct sums *sums)
{
	_cleanup_(closep) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_(freep) struct file *f = NULL;
	int r = read_copy(fd, &f);

	for (size_t i = 0; f && r == 0 && i < f->n; i++)
		if (is_text(f->slots[i].name, NAME_SIZE) && is_text(f->slots[i].help, HELP_SIZE))
			r = sums_add(sums, &f->slots[i]);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sum *) a)->name, ((const struct sum *) b)->name);
}

static void print_sums(struct sums *sums, struct buf *out)
{
	size_t family_len = 0;
	const char *family = "";

	if (sums->n)
		qsort(sums->items, sums->n, sizeof(*sums->items), by_name);
	for (size_t i = 0; i < sums->n; i++) {
		const struct sum *s = &sums->items[i];
		size_t len = strcspn(s->name, "{");

		if (len != family_len || strncmp(family, s->name, len) != 0) { /* HELP and TYPE once a family */
			buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int) len, s->name, s->help,
			           (int) len, s->name, s->type == METRIC_GAUGE ? "gauge" : "counter");
			family = s->name;
			family_len = len;
		}
		buf_printf(out, "%s %lld\n", s->name, (long long) s->value);
	}
}

static int read_sums(const char *dir, struct sums *sums, struct err *err)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d)
		return err_errno(err, errno, "metrics folder %s", dir);
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = add_file(dirfd(d), e->d_name, sums);
	(void) closedir(d);
	return r < 0 ? err_set(err, POD_E_NOMEM, "collecting metrics") : 0;
}

int metric_collect(const char *dir, struct buf *out, struct err *err)
{
	struct sums sums = { NULL, 0 };
	int r = read_sums(dir, &sums, err);

	if (r == 0)
		print_sums(&sums, out);
	free(sums.items);
	return r;
}

int metric_each(const char *dir, void (*fn)(void *arg, const char *name, int64_t value), void *arg, struct err *err)
{
	struct sums sums = { NULL, 0 };
	int r = read_sums(dir, &sums, err);

	for (size_t i = 0; r == 0 && i < sums.n; i++)
		fn(arg, sums.items[i].name, sums.items[i].value);
	free(sums.items);
	return r;
}
