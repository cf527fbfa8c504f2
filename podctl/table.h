/* A table of text with columns as wide as they have to be on a terminal, in UTF-8. */
#ifndef PODCTL_TABLE_H
#define PODCTL_TABLE_H

#include <stddef.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16

/* Columns that a terminal shows text in; control characters and bytes that are no UTF-8 count as one ("?").
 */
size_t text_width(const char *text);
/* Adds text that others wrote, each of those characters as "?". */
void text_add_visible(struct buf *out, const char *text);

/*
 * Adds a table to out: titles, then n_rows rows of n_columns cells (row by row; NULL is an empty one). Where
 * right[i], column i is aligned to the right. Characters that would move a terminal's cursor show as "?".
 */
void table_print(struct buf *out, const char *const *titles, const bool *right, size_t n_columns,
                 const char *const *cells, size_t n_rows);

#endif
