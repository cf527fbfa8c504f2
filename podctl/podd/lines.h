/* What a child writes to its standard error, cut into lines. One owner thread. */
#ifndef PODCTL_PODD_LINES_H
#define PODCTL_PODD_LINES_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"

/* A longer line comes in pieces of so many bytes. */
#define LINES_PIECE_MAX 16384

struct lines;
typedef void lines_fn(void *arg, struct span line);

/*
 * Calls on_line for each line read from fd, which it takes, also where this fails. It reads on when the child
 * has ended, as long as a grandchild holds the other end, and frees itself at the end of the file: *ret_lines
 * then becomes NULL. Where *ret_lines itself goes first, lines_detach must have been called.
 */
int lines_create(struct event_base *base, int fd, lines_fn *on_line, void *arg, struct lines **ret_lines,
                 struct err *err);
/* Reads what is there now, without waiting; at the end of the file it frees itself. NULL is fine. */
void lines_flush(struct lines *l);
/* Lines that still come go to another function, and the owner's pointer is left alone. NULL is fine. */
void lines_detach(struct lines *l, lines_fn *on_line, void *arg);

#endif
