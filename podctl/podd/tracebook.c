#include "podctl/podd/tracebook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/podd/trace.h"
#include "podctl/podd/tracebook_internal.h"

#define DAY_MS (86400 * INT64_C(1000))
#define SEGMENTS_LEAST 16 /* that all bytes are spread over, so that what goes is never much of it */

static void segment_path(const struct tracebook *book, const struct segment *s, const char *ending, char path[PATH_MAX])
{
	(void) snprintf(path, PATH_MAX, "%s/%013" PRId64 ".%s", book->dir, s->start_ms, ending);
}

int trace_segment_open(const struct tracebook *book, const struct segment *s, const char *ending, int flags,
                       int *ret_fd, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	segment_path(book, s, ending, path);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	*ret_fd = fd;
	return 0;
}

/* ---- which segments there are ---- */

static int segment_add(struct tracebook *book, const struct segment *s, struct err *err)
{
	struct segment *grown = reallocarray(book->segments, book->n + 1, sizeof(*grown));

	if (!grown)
		return err_set(err, POD_E_NOMEM, "trace");
	book->segments = grown;
	book->segments[book->n++] = *s;
	return 0;
}

static uint64_t file_size(const struct tracebook *book, const struct segment *s, const char *ending)
{
	char path[PATH_MAX];
	struct stat st;

	segment_path(book, s, ending, path);
	return stat(path, &st) < 0 ? 0 : (uint64_t) st.st_size;
}

static int by_start(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->start_ms < y->start_ms ? -1 : x->start_ms > y->start_ms;
}

static int list_segments(struct tracebook *book, struct err *err)
{
	DIR *d = opendir(book->dir);
	const struct dirent *e;
	int r = 0;

	if (!d)
		return err_errno(err, errno, "%s", book->dir);
	while (r == 0 && (e = readdir(d))) {
		struct span name = span_of(e->d_name);
		struct segment s = { 0 };
		uint64_t ms;

		if (name.len != 17 || strcmp(e->d_name + 13, ".log") != 0 || span_to_u64(span_head(name, 13), &ms) < 0)
			continue;
		s.start_ms = (int64_t) ms;
		s.log_bytes = file_size(book, &s, "log");
		s.idx_bytes = file_size(book, &s, "idx");
		r = segment_add(book, &s, err);
	}
	(void) closedir(d);
	if (book->n)
		qsort(book->segments, book->n, sizeof(*book->segments), by_start);
	return r;
}

static uint64_t bytes_of_all(const struct tracebook *book)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < book->n; i++)
		bytes += book->segments[i].log_bytes + book->segments[i].idx_bytes;
	return bytes;
}

static void remove_oldest(struct tracebook *book)
{
	char path[PATH_MAX];

	segment_path(book, &book->segments[0], "log", path);
	(void) unlink(path);
	segment_path(book, &book->segments[0], "idx", path);
	(void) unlink(path);
	memmove(book->segments, book->segments + 1, --book->n * sizeof(*book->segments));
}

/* A segment is as old as its end, where the next one begins. */
static void retire(struct tracebook *book, int64_t now_ms)
{
	while (book->n > 1 && (book->segments[1].start_ms < now_ms - (int64_t) book->limits.keep_ms ||
	                       bytes_of_all(book) > book->limits.max_bytes))
		remove_oldest(book);
}

/* ---- the one being written ---- */

/* Lines that are in no run: those of a crash, or of the memory of the process before. */
static int index_rest(struct tracebook *book, uint64_t covered, struct err *err)
{
	struct segment *s = &book->segments[book->n - 1];
	_cleanup_(closep) int fd = -1;
	char line[TRACE_LINE_MAX];
	FILE *f;
	int r = trace_segment_open(book, s, "log", O_RDONLY, &fd, err);

	if (r < 0)
		return r;
	f = fdopen(fd, "r");
	if (!f)
		return err_errno(err, errno, "trace");
	fd = -1;
	if (fseeko(f, (off_t) covered, SEEK_SET) < 0)
		r = err_errno(err, errno, "trace");
	while (r == 0 && fgets(line, sizeof(line), f)) {
		struct span text = span_of(line);

		if (text.len && text.p[text.len - 1] == '\n')
			r = trace_index_line(book, span_head(text, text.len - 1), covered, err);
		covered += text.len;
	}
	(void) fclose(f);
	return r;
}

static int open_last(struct tracebook *book, struct err *err)
{
	struct segment *s = &book->segments[book->n - 1];
	uint64_t covered = 0;
	int r;

	closep(&book->log_fd);
	closep(&book->idx_fd);
	book->log_fd = book->idx_fd = -1;
	book->fresh_n = 0;
	r = trace_segment_open(book, s, "log", O_RDWR | O_APPEND | O_CREAT, &book->log_fd, err);
	if (r == 0)
		r = trace_segment_open(book, s, "idx", O_RDWR | O_APPEND | O_CREAT, &book->idx_fd, err);
	if (r == 0)
		r = trace_index_covered(book->idx_fd, &covered, &s->idx_bytes, err);
	s->log_bytes = file_size(book, s, "log");
	if (r == 0 && covered < s->log_bytes)
		r = index_rest(book, covered, err);
	return r;
}

static bool is_over(const struct tracebook *book, int64_t now_ms)
{
	const struct segment *s = book->n ? &book->segments[book->n - 1] : NULL;

	return !s || book->log_fd < 0 || s->start_ms / DAY_MS != now_ms / DAY_MS ||
	       s->log_bytes > book->limits.max_bytes / SEGMENTS_LEAST;
}

static int turn_over(struct tracebook *book, int64_t now_ms, struct err *err)
{
	struct segment s = { .start_ms = now_ms };
	int r = book->n ? trace_index_flush(book, err) : 0;

	if (r == 0 && book->n && book->segments[book->n - 1].start_ms >= now_ms)
		s.start_ms = book->segments[book->n - 1].start_ms + 1; /* the clock went back */
	if (r == 0)
		r = segment_add(book, &s, err);
	if (r == 0)
		r = open_last(book, err);
	retire(book, now_ms);
	return r;
}

/* ---- the book ---- */

int tracebook_open(const char *dir, const struct tracebook_limits *limits, int64_t now_ms,
                   struct tracebook **ret_book, struct err *err)
{
	struct tracebook *book = calloc(1, sizeof(*book));
	int r = 0;

	if (!book)
		return err_set(err, POD_E_NOMEM, "trace");
	*book = (struct tracebook){ .dir = strdup(dir), .limits = *limits, .log_fd = -1, .idx_fd = -1 };
	book->fresh = calloc(TRACE_RUN_MAX, sizeof(*book->fresh));
	if (!book->dir || !book->fresh)
		r = err_set(err, POD_E_NOMEM, "trace");
	else if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		r = err_errno(err, errno, "%s", dir);
	if (r == 0)
		r = list_segments(book, err);
	if (r == 0 && book->n)
		r = open_last(book, err);
	if (r < 0) {
		(void) tracebook_close(book);
		return r;
	}
	retire(book, now_ms);
	*ret_book = book;
	return 0;
}

struct tracebook *tracebook_close(struct tracebook *book)
{
	if (!book)
		return NULL;
	if (book->n && book->fresh && trace_index_flush(book, NULL) < 0)
		book->fresh_n = 0; /* it is read again from the lines */
	closep(&book->log_fd);
	closep(&book->idx_fd);
	free(book->segments);
	free(book->fresh);
	free(book->dir);
	free(book);
	return NULL;
}

void tracebook_set_limits(struct tracebook *book, const struct tracebook_limits *limits)
{
	book->limits = *limits;
}

static int append(struct tracebook *book, struct span line, struct err *err)
{
	struct segment *s = &book->segments[book->n - 1];
	char text[TRACE_LINE_MAX];
	ssize_t n;

	memcpy(text, line.p, line.len);
	text[line.len] = '\n';
	n = write(book->log_fd, text, line.len + 1);
	if (n < 0)
		return err_errno(err, errno, "trace");
	s->log_bytes += (uint64_t) n;
	/* A line cut short by a full disk: the next one begins on a line of its own. */
	if ((size_t) n <= line.len)
		return ftruncate(book->log_fd, (off_t) (s->log_bytes -= (uint64_t) n)) < 0
		               ? err_errno(err, errno, "trace")
		               : err_set(err, POD_E_NOSPACE, "trace");
	return trace_index_line(book, line, s->log_bytes - line.len - 1, err);
}

int tracebook_add(struct tracebook *book, struct span line, int64_t now_ms, struct err *err)
{
	bool failed_before = book->failing;
	struct span trace;
	int r;

	if (line.len >= TRACE_LINE_MAX || !trace_line_field(line, "trace", &trace))
		return 0;
	r = is_over(book, now_ms) ? turn_over(book, now_ms, err) : 0;
	if (r == 0)
		r = append(book, line, err);
	book->failing = r < 0;
	return failed_before ? 0 : r;
}
