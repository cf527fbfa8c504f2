#include "mime/scan.h"

#include "base/err.h"
#include "mime/cfws.h"
#include "mime/delimiter.h"
#include "mime/header.h"

/* RFC 2046 allows 70 bytes and lines 998; a longer one could end nothing that arrived by SMTP. */
#define BOUNDARY_MAX 998

struct scanner {
	struct arena *a;
	struct span msg;
	size_t pos;
	uint32_t newlines; /* up to pos */
	struct mime_part *parts;
	struct scan_part *info;
	uint32_t n, cap;
	struct scan_level *levels; /* MIME_DEPTH_MAX of them */
	size_t depth, boundaries;  /* levels in use; how many of them have a boundary */
	uint32_t leaf;             /* the open part that has no level, or MIME_NO_PART */
	bool want_cached;
	uint8_t *cached;
	size_t cached_len, cached_cap;
};

static struct span rest_of(const struct scanner *sc)
{
	return span_skip(sc->msg, sc->pos);
}

/* ---- delimiters ------------------------------------------------------------------------------- */

/* Whether a line that matters as a delimiter starts at pos; a further part beyond the bound does not. */
static bool at_delimiter(const struct scanner *sc, size_t *ret_level, bool *ret_close)
{
	struct span line = rest_of(sc);
	size_t end;

	if (sc->boundaries == 0 || line.len < 2 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	end = span_find_byte(line, '\n');
	line = span_skip(span_head(line, end), 2);
	*ret_level = delimiter_find(sc->levels, sc->depth, line, ret_close);
	return *ret_level != SIZE_MAX && (*ret_close || sc->n < MIME_PARTS_MAX);
}

/* Moves behind the line at pos. */
static void pass_line(struct scanner *sc)
{
	size_t end = span_find_byte(rest_of(sc), '\n');

	if (end == SIZE_MAX) {
		sc->pos = sc->msg.len;
	} else {
		sc->pos += end + 1;
		sc->newlines++;
	}
}

/* ---- header fields ------------------------------------------------------------------------------- */

static int keep_cached(struct scanner *sc, struct span field)
{
	if (field.len > sc->cached_cap - sc->cached_len) {
		size_t cap = sc->cached_cap ? sc->cached_cap : 1024;
		uint8_t *grown;

		while (cap - sc->cached_len < field.len)
			cap *= 2;
		grown = arena_grow(sc->a, sc->cached, sc->cached_len, cap, 1);
		if (!grown)
			return -POD_E_NOMEM;
		sc->cached = grown;
		sc->cached_cap = cap;
	}
	memcpy(sc->cached + sc->cached_len, field.p, field.len);
	sc->cached_len += field.len;
	return 0;
}

static int note_field(struct scanner *sc, struct scan_part *info, struct span *fields,
                      const struct mime_field *f)
{
	enum field_id id = f->name.len ? field_lookup(f->name) : FIELD_UNKNOWN;
	enum field_id end = info->is_message ? FIELD_MESSAGE_END : FIELD_PART_END;

	if (id < end) {
		if (fields[id].p)
			info->repeated |= 1u << id;
		else
			fields[id] = f->value;
	}
	return sc->want_cached && sc->n == 1 && id != FIELD_UNKNOWN ? keep_cached(sc, f->whole) : 0;
}

/*
 * Whether a body part begins with text where its header should be, the empty line forgotten: it is shown
 * then. A "From " line that a mailbox file left behind is no such text.
 */
static bool starts_with_text(const struct scan_part *info, struct span s)
{
	struct mime_field f;

	if (info->is_message || !mime_field_next(&s, &f) || f.name.len)
		return false;
	return !span_starts_nocase(f.value, SPAN_LIT("From ")) &&
	       !span_starts_nocase(f.value, SPAN_LIT(">From "));
}

static uint32_t count_newlines(struct span s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Reads the header at pos: up to and with the empty line, or to a delimiter that cuts it off. */
static int read_header(struct scanner *sc, struct mime_part *part, struct scan_part *info)
{
	struct span *fields =
		arena_array(sc->a, info->is_message ? FIELD_MESSAGE_END : FIELD_PART_END, sizeof(*fields));
	struct span rest = rest_of(sc);
	bool close, more = !starts_with_text(info, rest);
	size_t level;
	int r = 0;

	if (!fields)
		return -POD_E_NOMEM;
	part->header_off = sc->pos;
	while (r == 0 && more && !at_delimiter(sc, &level, &close)) {
		struct mime_field f;

		more = mime_field_next(&rest, &f);
		sc->pos = sc->msg.len - rest.len;
		if (more && sc->pos - part->header_off <= MIME_HEADER_MAX)
			r = note_field(sc, info, fields, &f);
	}
	part->header_len = sc->pos - part->header_off;
	part->body_off = sc->pos;
	sc->newlines += count_newlines(span_head(span_skip(sc->msg, part->header_off), part->header_len));
	part->lines = sc->newlines; /* where they start to count; the difference is taken at the end */
	info->fields = fields;
	return r;
}

/* ---- parts -------------------------------------------------------------------------------------- */

static int grow_parts(struct scanner *sc)
{
	uint32_t cap = sc->cap ? 2 * sc->cap : 8;
	struct mime_part *parts;
	struct scan_part *info;

	if (sc->n < sc->cap)
		return 0;
	parts = arena_grow(sc->a, sc->parts, sc->n, cap, sizeof(*parts));
	info = arena_grow(sc->a, sc->info, sc->n, cap, sizeof(*info));
	if (!parts || !info)
		return -POD_E_NOMEM;
	sc->parts = parts;
	sc->info = info;
	sc->cap = cap;
	return 0;
}

/* Adds an empty part as the last child of the innermost level, or the message itself. */
static uint32_t add_part(struct scanner *sc)
{
	uint32_t i = sc->n++;
	struct scan_level *up = sc->depth ? &sc->levels[sc->depth - 1] : NULL;
	struct mime_part *part = &sc->parts[i];

	*part = (struct mime_part){ .kind = MIME_LEAF, .first_child = MIME_NO_PART, .next = MIME_NO_PART };
	sc->info[i] = (struct scan_part){ .is_message = true };
	part->parent = up ? up->part : MIME_NO_PART;
	if (!up)
		return i;
	if (up->last_child == MIME_NO_PART)
		sc->parts[up->part].first_child = i;
	else
		sc->parts[up->last_child].next = i;
	up->last_child = i;
	sc->info[i].is_message = sc->parts[up->part].kind == MIME_MESSAGE;
	sc->info[i].in_digest =
		!sc->info[i].is_message &&
		content_type_is(&sc->info[up->part].type, SPAN_LIT("multipart"), SPAN_LIT("digest"));
	return i;
}

static bool is_message_type(const struct scan_part *info)
{
	const struct content_type *t = &info->type;

	if (!info->fields[FIELD_CONTENT_TYPE].p && info->in_digest)
		return true;
	return content_type_is(t, SPAN_LIT("message"), SPAN_LIT("rfc822")) ||
	       content_type_is(t, SPAN_LIT("message"), SPAN_LIT("global"));
}

/* Against RFC 2046 5.2.1, but it happens: what is inside cannot be addressed without decoding it. */
static bool is_base64(const struct scan_part *info)
{
	struct span rest;

	return span_eq_nocase(content_token(info->fields[FIELD_CONTENT_TRANSFER_ENCODING], &rest),
	                      SPAN_LIT("base64"));
}

static struct span boundary_of(struct scanner *sc, const struct scan_part *info)
{
	struct span b = content_param_find(sc->a, info->type.params, SPAN_LIT("boundary"));

	if (b.len == 0)
		b = content_param_find_extended(sc->a, info->type.params, SPAN_LIT("boundary"));
	while (b.len && cfws_is_space(b.p[b.len - 1]))
		b.len--;
	return b;
}

/* Decides what the part is; a container gets a level, everything else is the open leaf. */
static void open_level(struct scanner *sc, uint32_t i)
{
	struct mime_part *part = &sc->parts[i];
	struct scan_part *info = &sc->info[i];
	struct scan_level level = { .part = i, .last_child = MIME_NO_PART };

	sc->leaf = i;
	if (sc->depth == MIME_DEPTH_MAX || sc->n == MIME_PARTS_MAX)
		return;
	if (is_message_type(info) && !is_base64(info)) {
		part->kind = MIME_MESSAGE;
	} else if (span_eq_nocase(info->type.type, SPAN_LIT("multipart"))) {
		level.boundary = boundary_of(sc, info);
		if (level.boundary.len == 0 || level.boundary.len > BOUNDARY_MAX)
			return;
		part->kind = MIME_MULTIPART;
		sc->boundaries++;
	} else {
		return;
	}
	sc->levels[sc->depth++] = level;
	sc->leaf = MIME_NO_PART;
}

/* Opens the part whose header is at pos, and the message inside where it is one, and so on inwards. */
static int open_parts(struct scanner *sc)
{
	uint32_t i;

	do {
		int r = grow_parts(sc);

		if (r < 0)
			return r;
		i = add_part(sc);
		r = read_header(sc, &sc->parts[i], &sc->info[i]);
		if (r < 0)
			return r;
		sc->info[i].type = content_type_parse(sc->info[i].fields[FIELD_CONTENT_TYPE]);
		open_level(sc, i);
	} while (sc->parts[i].kind == MIME_MESSAGE);
	return 0;
}

/* Ends part i at `end`; a header that reaches beyond `limit` is cut there. */
static void close_part(struct scanner *sc, uint32_t i, size_t end, size_t limit, uint32_t newlines)
{
	struct mime_part *part = &sc->parts[i];
	bool empty = end < part->body_off;

	if (part->body_off > limit) {
		part->header_off = part->header_off < limit ? part->header_off : limit;
		part->body_off = limit;
		part->header_len = limit - part->header_off;
	}
	part->body_len = empty ? 0 : end - part->body_off;
	part->lines = empty ? 0 : newlines - part->lines;
}

/*
 * Closes what is open inside the first `depth` levels; a multipart in which no part began is a leaf. The line
 * end before a delimiter may be the empty line of a header: the part that the delimiter ends keeps it, but
 * not one deeper, which would reach beyond the part it is in.
 */
static void close_levels(struct scanner *sc, size_t depth, size_t end, uint32_t newlines)
{
	uint32_t outer = sc->depth > depth ? sc->levels[depth].part : sc->leaf;
	size_t limit = outer == MIME_NO_PART ? end : sc->parts[outer].body_off;

	if (limit < end)
		limit = end;
	if (sc->leaf != MIME_NO_PART)
		close_part(sc, sc->leaf, end, limit, newlines);
	sc->leaf = MIME_NO_PART;
	while (sc->depth > depth) {
		struct scan_level *l = &sc->levels[--sc->depth];

		close_part(sc, l->part, end, limit, newlines);
		if (l->last_child == MIME_NO_PART)
			sc->parts[l->part].kind = MIME_LEAF;
		if (l->boundary.len)
			sc->boundaries--;
	}
}

/* The line end before a delimiter line belongs to it and not to the part it ends (RFC 2046 5.1.1). */
static void close_before_delimiter(struct scanner *sc, size_t depth)
{
	size_t end = sc->pos;
	uint32_t newlines = sc->newlines;

	if (end > 0) {
		end--;
		newlines--;
		if (end > 0 && sc->msg.p[end - 1] == '\r')
			end--;
	}
	close_levels(sc, depth, end, newlines);
}

static int scan_body(struct scanner *sc)
{
	int r = 0;

	while (r == 0 && sc->pos < sc->msg.len) {
		size_t level;
		bool close;

		if (!at_delimiter(sc, &level, &close)) {
			pass_line(sc);
			continue;
		}
		close_before_delimiter(sc, level + 1);
		pass_line(sc);
		if (close) {
			sc->levels[level].boundary =
				SPAN_NONE; /* the epilogue runs up to the parent's delimiter */
			sc->boundaries--;
		} else {
			r = open_parts(sc);
		}
	}
	return r;
}

int scan_message(struct arena *a, struct span message, bool want_cached, struct scan *ret_scan)
{
	struct scan_level levels[MIME_DEPTH_MAX];
	struct scanner sc = {
		.a = a,
		.msg = message,
		.levels = levels,
		.leaf = MIME_NO_PART,
		.want_cached = want_cached,
	};
	int r = open_parts(&sc);

	if (r == 0)
		r = scan_body(&sc);
	if (r < 0)
		return r;
	close_levels(&sc, 0, message.len, sc.newlines);
	ret_scan->tree = (struct mime_tree){ sc.parts, sc.n };
	ret_scan->parts = sc.info;
	ret_scan->cached = span_make(sc.cached, sc.cached_len);
	return 0;
}

struct span scan_header(struct span message, const struct mime_part *part)
{
	size_t len = part->header_len < MIME_HEADER_MAX ? part->header_len : MIME_HEADER_MAX;

	return span_head(span_skip(message, part->header_off), len);
}

int mime_parse(struct arena *a, struct span message, struct mime_tree *ret_tree)
{
	struct scan scan;
	int r = scan_message(a, message, false, &scan);

	if (r == 0)
		*ret_tree = scan.tree;
	return r;
}
