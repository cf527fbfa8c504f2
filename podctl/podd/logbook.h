/*
 * DIR/log/podmail.log: the lines of all processes of the pod, in the order they came. The file is rotated by
 * size (podmail.log.1 is the newest old one) and can be rotated by others too: logbook_reopen at SIGHUP.
 * One thread.
 */
#ifndef PODCTL_PODD_LOGBOOK_H
#define PODCTL_PODD_LOGBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct logbook;
struct tracebook;

struct logbook_options {
	const char *path;   /* copied; NULL: no file */
	uint64_t max_bytes; /* of the current file, before it is rotated */
	unsigned int keep;  /* old files */
	struct tracebook *traces; /* lines about messages go there too; NULL: nowhere. Not owned. */
	int copy_fd;        /* lines go here too; -1: nowhere else. Not owned. */
};

int logbook_open(const struct logbook_options *o, struct logbook **ret_book, struct err *err);
struct logbook *logbook_close(struct logbook *book);
/* Adds a line (without its line end). What the disk refuses is said on copy_fd or standard error, once. */
void logbook_write(struct logbook *book, struct span line);
/* Opens the file anew and takes over new limits. The path stays. */
int logbook_reopen(struct logbook *book, uint64_t max_bytes, unsigned int keep, struct err *err);

#endif
