#include "podctl/table.h"

#include <string.h>
#include <wchar.h>

#define GAP 2

/*
 * The next character: its bytes and width. The locale is C.UTF-8 or the caller's (see main), so that mbrtowc
 * knows UTF-8; combining characters have no width, ideographs two.
 */
static size_t next_char(const char *p, size_t *ret_width, bool *ret_printable)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t len = mbrtowc(&wide, p, strlen(p), &state);
	int width;

	if (len == (size_t) -1 || len == (size_t) -2 || len == 0) {
		*ret_width = 1;
		*ret_printable = false;
		return 1;
	}
	width = wcwidth(wide);
	*ret_width = width < 0 ? 1 : (size_t) width;
	*ret_printable = width >= 0;
	return len;
}

size_t text_width(const char *text)
{
	size_t sum = 0, width;
	bool printable;

	for (const char *p = text; *p;) {
		p += next_char(p, &width, &printable);
		sum += width;
	}
	return sum;
}

void text_add_visible(struct buf *out, const char *text)
{
	bool printable;
	size_t width;

	for (const char *p = text; *p;) {
		size_t len = next_char(p, &width, &printable);

		if (printable)
			buf_add(out, span_make(p, len));
		else
			buf_add_byte(out, '?');
		p += len;
	}
}

static void add_spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_add_byte(out, ' ');
}

static void add_cell(struct buf *out, const char *text, size_t width, bool right, bool last)
{
	size_t have = text_width(text), pad = have < width ? width - have : 0;

	if (right)
		add_spaces(out, pad);
	text_add_visible(out, text);
	if (!last)
		add_spaces(out, (right ? 0 : pad) + GAP);
}

static void add_row(struct buf *out, const char *const *cells, const size_t *widths, const bool *right,
                    size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_cell(out, cells[i] ? cells[i] : "", widths[i], right[i], i + 1 == n);
	buf_add_byte(out, '\n');
}

void table_print(struct buf *out, const char *const *titles, const bool *right, size_t n_columns,
                 const char *const *cells, size_t n_rows)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < n_columns; i++)
		widths[i] = text_width(titles[i]);
	for (size_t i = 0; i < n_rows * n_columns; i++) {
		size_t width = cells[i] ? text_width(cells[i]) : 0;

		if (width > widths[i % n_columns])
			widths[i % n_columns] = width;
	}
	add_row(out, titles, widths, right, n_columns);
	for (size_t i = 0; i < n_rows; i++)
		add_row(out, cells + i * n_columns, widths, right, n_columns);
}
