/* What the files of the trace book share. */
#ifndef PODCTL_PODD_TRACEBOOK_INTERNAL_H
#define PODCTL_PODD_TRACEBOOK_INTERNAL_H

#include "podctl/podd/tracebook.h"

enum trace_kind { TRACE_MESSAGE, TRACE_FROM, TRACE_TO };

struct trace_entry {
	uint64_t hash, offset; /* of the line in the segment */
};

#define TRACE_RUN_MAX 32768u
#define TRACE_LINE_MAX 8192u /* more than PIPE_BUF, which no line of ours exceeds */

struct segment {
	int64_t start_ms;
	uint64_t log_bytes, idx_bytes;
};

struct tracebook {
	char *dir;
	struct tracebook_limits limits;
	struct segment *segments; /* the oldest first; the last is being written */
	size_t n;
	int log_fd, idx_fd; /* of the last; -1: none is open */
	struct trace_entry *fresh; /* TRACE_RUN_MAX of them: not in a run yet */
	size_t fresh_n;
	bool failing;
};

uint64_t trace_hash(enum trace_kind kind, struct span value);

/* The file of a segment: "log" or "idx". */
int trace_segment_open(const struct tracebook *book, const struct segment *s, const char *ending, int flags,
                       int *ret_fd, struct err *err);

/* ---- trace_index.c ---- */

/* Remembers what a line at offset names; writes a run when there are enough. */
int trace_index_line(struct tracebook *book, struct span line, uint64_t offset, struct err *err);
int trace_index_flush(struct tracebook *book, struct err *err);
/* How far the segment's lines are in runs; cuts a run off that a crash left half. */
int trace_index_covered(int idx_fd, uint64_t *ret_covered, uint64_t *ret_bytes, struct err *err);
/*
 * The offsets of lines with the hash in a segment, sorted, each once; in a. `last`: it is the one being written, so that
 * memory counts too.
 */
int trace_index_find(const struct tracebook *book, const struct segment *s, uint64_t hash, bool last, struct arena *a,
                     uint64_t **ret_offsets, size_t *ret_n, struct err *err);

#endif
