/* The index beside a segment's lines: sorted runs, appended. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "podctl/podd/trace.h"
#include "podctl/podd/tracebook_internal.h"

struct run_head {
	uint64_t magic, n, covered; /* entries that follow; all lines before that offset are in this run or an earlier one */
};
#define RUN_MAGIC UINT64_C(0x31786469646f7001)

/* One pass over a file of runs. */
struct runs {
	const uint8_t *p;
	size_t len, at;
};

uint64_t trace_hash(enum trace_kind kind, struct span value)
{
	uint8_t lower[TRACE_LINE_MAX];
	size_t n = value.len < sizeof(lower) ? value.len : sizeof(lower);

	for (size_t i = 0; i < n; i++)
		lower[i] = ascii_lower(value.p[i]);
	return XXH3_64bits_withSeed(lower, n, (uint64_t) kind);
}

/* ---- writing ---- */

static int by_hash(const void *a, const void *b)
{
	const struct trace_entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int write_all(int fd, const void *p, size_t len, struct err *err)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "trace index");
		at += n;
		len -= (size_t) n;
	}
	return 0;
}

int trace_index_flush(struct tracebook *book, struct err *err)
{
	struct segment *s = &book->segments[book->n - 1];
	struct run_head head = { RUN_MAGIC, book->fresh_n, s->log_bytes };
	int r;

	if (!book->fresh_n || book->idx_fd < 0)
		return 0;
	qsort(book->fresh, book->fresh_n, sizeof(*book->fresh), by_hash);
	r = write_all(book->idx_fd, &head, sizeof(head), err);
	if (r == 0)
		r = write_all(book->idx_fd, book->fresh, book->fresh_n * sizeof(*book->fresh), err);
	if (r == 0)
		s->idx_bytes += sizeof(head) + book->fresh_n * sizeof(*book->fresh);
	else if (ftruncate(book->idx_fd, (off_t) s->idx_bytes) < 0)
		return r; /* the half run is cut off when it is opened next */
	book->fresh_n = 0;
	return r;
}

static int remember(struct tracebook *book, enum trace_kind kind, struct span value, uint64_t offset, struct err *err)
{
	int r = book->fresh_n == TRACE_RUN_MAX ? trace_index_flush(book, err) : 0;

	if (r == 0)
		book->fresh[book->fresh_n++] = (struct trace_entry){ trace_hash(kind, value), offset };
	return r;
}

int trace_index_line(struct tracebook *book, struct span line, uint64_t offset, struct err *err)
{
	static const struct {
		const char *field;
		enum trace_kind kind;
	} named[] = { { "trace", TRACE_MESSAGE }, { "report", TRACE_MESSAGE }, { "sender", TRACE_FROM },
		      { "rcpt", TRACE_TO },       { "mailbox", TRACE_TO } };
	struct span value;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(named); i++)
		if (trace_line_field(line, named[i].field, &value))
			r = remember(book, named[i].kind, value, offset, err);
	return r;
}

/* ---- reading ---- */

static bool next_run(struct runs *r, struct run_head *ret_head, const struct trace_entry **ret_entries)
{
	struct run_head head;

	if (r->len - r->at < sizeof(head))
		return false;
	memcpy(&head, r->p + r->at, sizeof(head));
	if (head.magic != RUN_MAGIC || head.n > (r->len - r->at - sizeof(head)) / sizeof(struct trace_entry))
		return false;
	*ret_head = head;
	*ret_entries = (const struct trace_entry *) (const void *) (r->p + r->at + sizeof(head));
	r->at += sizeof(head) + head.n * sizeof(struct trace_entry);
	return true;
}

static int map_runs(int fd, struct runs *ret, struct err *err)
{
	struct stat st;
	void *p;

	*ret = (struct runs){ 0 };
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "trace index");
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_errno(err, errno, "trace index");
	*ret = (struct runs){ p, (size_t) st.st_size, 0 };
	return 0;
}

static void unmap_runs(struct runs *r)
{
	if (r->p)
		(void) munmap((void *) (uintptr_t) r->p, r->len);
}

int trace_index_covered(int idx_fd, uint64_t *ret_covered, uint64_t *ret_bytes, struct err *err)
{
	const struct trace_entry *entries;
	struct run_head head;
	struct runs runs = { 0 };
	int r = map_runs(idx_fd, &runs, err);

	*ret_covered = 0;
	if (r < 0)
		return r;
	while (next_run(&runs, &head, &entries))
		*ret_covered = head.covered;
	*ret_bytes = runs.at;
	r = runs.at < runs.len && ftruncate(idx_fd, (off_t) runs.at) < 0 ? err_errno(err, errno, "trace index") : 0;
	unmap_runs(&runs);
	return r;
}

struct found {
	struct arena *a;
	uint64_t *offsets;
	size_t n, cap;
};

static int add(struct found *f, uint64_t offset)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		uint64_t *grown = arena_grow(f->a, f->offsets, f->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		f->offsets = grown;
		f->cap = cap;
	}
	f->offsets[f->n++] = offset;
	return 0;
}

static int find_in_run(struct found *f, const struct trace_entry *e, size_t n, uint64_t hash)
{
	size_t low = 0, high = n;
	int r = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (e[mid].hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	for (; r == 0 && low < n && e[low].hash == hash; low++)
		r = add(f, e[low].offset);
	return r;
}

static int by_offset(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int trace_index_find(const struct tracebook *book, const struct segment *s, uint64_t hash, bool last, struct arena *a,
                     uint64_t **ret_offsets, size_t *ret_n, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	const struct trace_entry *entries;
	struct found f = { .a = a };
	struct run_head head;
	struct runs runs = { 0 };
	size_t unique = 0;
	int r = trace_segment_open(book, s, "idx", O_RDONLY, &fd, err);

	if (r == 0)
		r = map_runs(fd, &runs, err);
	if (r < 0)
		return r;
	while (r == 0 && next_run(&runs, &head, &entries))
		r = find_in_run(&f, entries, head.n, hash);
	unmap_runs(&runs);
	for (size_t i = 0; last && r == 0 && i < book->fresh_n; i++)
		if (book->fresh[i].hash == hash)
			r = add(&f, book->fresh[i].offset);
	if (r < 0)
		return err_set(err, POD_E_LIMIT, "too much was found; ask for less time");
	if (f.n)
		qsort(f.offsets, f.n, sizeof(*f.offsets), by_offset);
	for (size_t i = 0; i < f.n; i++) /* a line may name one address twice */
		if (!unique || f.offsets[unique - 1] != f.offsets[i])
			f.offsets[unique++] = f.offsets[i];
	*ret_offsets = f.offsets;
	*ret_n = unique;
	return 0;
}
