#include "store/service/rows.h"

#define BATCH_BYTES (64u << 10)
#define BATCH_ROWS 8192u
#define ROWS_FIRST 64u
/* A batch ends with the row that fills it, which may be large by itself. */
#define BATCH_ARENA_MAX (64u << 20)

enum column_type { U32, U64, I64, BYTES };

/* Where each column is in Podstore__Rows, and in a row. */
static const struct {
	uint32_t column; /* 0: always there */
	enum column_type type;
	size_t array, count, source;
} columns[] = {
#define COLUMN(c, t, name, from)                                                                             \
	{ c, t, offsetof(Podstore__Rows, name), offsetof(Podstore__Rows, n_##name), offsetof(struct volume_row, from) }
	COLUMN(0, U32, uids, uid),
	COLUMN(STORE_COL_FLAGS, U32, flags, flags),
	COLUMN(STORE_COL_MODSEQ, U64, modseqs, modseq),
	COLUMN(STORE_COL_INTERNAL_DATE, I64, internal_dates, internal_date),
	COLUMN(STORE_COL_SIZE, U64, sizes, size),
	COLUMN(STORE_COL_SAVE_DATE, I64, save_dates, save_date),
	COLUMN(STORE_COL_ENVELOPE, BYTES, envelopes, envelope),
	COLUMN(STORE_COL_BODYSTRUCTURE, BYTES, bodystructures, bodystructure),
	COLUMN(STORE_COL_PARTS, BYTES, parts, parts),
	COLUMN(STORE_COL_HEADERS, BYTES, headers, headers),
#undef COLUMN
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const size_t type_sizes[] = { [U32] = 4, [U64] = 8, [I64] = 8, [BYTES] = sizeof(ProtobufCBinaryData) };

static void *field(Podstore__Rows *out, size_t offset)
{
	return (char *) out + offset;
}

static bool wanted(const struct rows *r, size_t i)
{
	return columns[i].column == 0 || (r->columns & columns[i].column);
}

static bool guids_wanted(const struct rows *r)
{
	return r->columns & STORE_COL_GUID;
}

static int grow(struct rows *r)
{
	size_t cap = r->cap ? r->cap * 2 : ROWS_FIRST;

	for (size_t i = 0; i < COLUMNS; i++) {
		void **array = field(&r->out, columns[i].array);

		if (!wanted(r, i))
			continue;
		*array = arena_grow(r->a, *array, r->out.n_uids, cap, type_sizes[columns[i].type]);
		if (!*array)
			return -POD_E_NOMEM;
	}
	if (guids_wanted(r)) {
		r->out.guids = arena_grow(r->a, r->out.guids, r->out.n_guids, cap, sizeof(*r->out.guids));
		if (!r->out.guids)
			return -POD_E_NOMEM;
	}
	r->cap = cap;
	return 0;
}

int rows_clear(struct rows *r)
{
	arena_reset(r->a);
	podstore__rows__init(&r->out);
	r->cap = r->bytes = 0;
	return grow(r);
}

int rows_init(struct rows *r, uint32_t wanted_columns)
{
	*r = (struct rows){ .columns = wanted_columns };
	r->a = arena_create(BATCH_ARENA_MAX);
	return r->a ? rows_clear(r) : -POD_E_NOMEM;
}

void rows_done(struct rows *r)
{
	r->a = arena_free(r->a);
}

static int put_bytes(struct rows *r, ProtobufCBinaryData *to, struct span s)
{
	struct span copy = arena_dup(r->a, s);

	if (!copy.p)
		return -POD_E_NOMEM;
	*to = (ProtobufCBinaryData){ copy.len, (uint8_t *) (uintptr_t) copy.p };
	r->bytes += s.len + 3;
	return 0;
}

static int put(struct rows *r, size_t i, size_t at, const struct volume_row *row)
{
	const void *from = (const char *) row + columns[i].source;
	char *array = *(char **) field(&r->out, columns[i].array);
	size_t size = type_sizes[columns[i].type];

	*(size_t *) field(&r->out, columns[i].count) = at + 1;
	if (columns[i].type == BYTES)
		return put_bytes(r, (ProtobufCBinaryData *) (void *) array + at, *(const struct span *) from);
	memcpy(array + at * size, from, size);
	r->bytes += size;
	return 0;
}

int rows_add(struct rows *r, const struct volume_row *row)
{
	size_t at = r->out.n_uids;
	int e = at == r->cap ? grow(r) : 0;

	for (size_t i = 0; e == 0 && i < COLUMNS; i++)
		if (wanted(r, i))
			e = put(r, i, at, row);
	if (e == 0 && guids_wanted(r)) {
		e = put_bytes(r, &r->out.guids[at], span_make(row->guid.b, ID_SIZE));
		r->out.n_guids = at + 1;
	}
	if (e < 0)
		return e;
	r->last_uid = row->uid;
	return r->bytes >= BATCH_BYTES || r->out.n_uids >= BATCH_ROWS;
}
