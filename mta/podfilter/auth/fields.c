#include "mta/podfilter/auth/fields.h"

static struct span with_crlf(struct arena *a, struct span value)
{
	uint8_t *to = arena_alloc(a, 2 * value.len + 1);
	size_t n = 0;

	if (!to)
		return SPAN_NONE;
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '\n' && (i == 0 || value.p[i - 1] != '\r'))
			to[n++] = '\r';
		to[n++] = value.p[i];
	}
	return span_make(to, n);
}

static unsigned int nth_of_name(const struct fields *f, struct span name)
{
	for (size_t i = f->n; i-- > 0;)
		if (span_eq_nocase(f->items[i].name, name))
			return f->items[i].nth + 1;
	return 1;
}

int fields_add(struct fields *f, struct arena *a, struct span name, struct span value, struct err *err)
{
	struct field field = { .name = arena_dup(a, name), .nth = nth_of_name(f, name) };
	size_t size = f->size ? 2 * f->size : 32;

	field.value = span_find_byte(value, '\n') == SIZE_MAX ? arena_dup(a, value) : with_crlf(a, value);
	if (f->n == f->size) {
		struct field *more =
			f->n < FIELDS_MAX ? arena_grow(a, f->items, f->n, size, sizeof(*more)) : NULL;

		if (!more)
			return err_set(err, POD_E_LIMIT, "a header with %zu fields and more", f->n);
		f->items = more;
		f->size = size;
	}
	if ((name.len && !field.name.p) || (value.len && !field.value.p))
		return err_set(err, POD_E_LIMIT, "the header is too large");
	f->items[f->n++] = field;
	return 0;
}

const struct field *fields_next(const struct fields *f, const char *name, size_t *pos)
{
	while (*pos < f->n) {
		const struct field *field = &f->items[(*pos)++];

		if (span_eq_nocase(field->name, span_of(name)))
			return field;
	}
	return NULL;
}

size_t fields_count(const struct fields *f, const char *name)
{
	size_t pos = 0, n = 0;

	while (fields_next(f, name, &pos))
		n++;
	return n;
}
