#include "mta/podfilter/content/inspect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mime/header.h"
#include "mime/mime.h"
#include "mta/podfilter/content/magic.h"
#include "mta/podfilter/content/names.h"
#include "mta/podfilter/content/zip.h"

#define TREE_ARENA (20u << 20)
#define PEEK_BYTES 4096        /* enough for every magic, and for a PE header behind its stub */
#define NESTED_MAX (16u << 20) /* of one archive in an archive */

struct inspector {
	const struct inspect_limits *limits;
	struct inspection *to;
	struct span message;
};

static void flag(struct inspector *i, unsigned int flags, struct span name)
{
	if (!flags)
		return;
	if (!i->to->what[0])
		(void) snprintf(i->to->what, sizeof(i->to->what), SPAN_FMT, SPAN_ARG(name));
	i->to->flags |= flags;
}

static void look_at_name(struct inspector *i, struct span name)
{
	unsigned int traits = name_traits(name, i->limits->banned);

	flag(i,
	     (traits & NAME_BANNED ? INSPECT_BANNED : 0u) | (traits & NAME_DOUBLE ? INSPECT_DOUBLE : 0u) |
	             (traits & NAME_TRICK ? INSPECT_TRICK : 0u),
	     name);
}

/* ---- archives: a file is looked at, and what is in it, depth counted down to the limit ---- */

static void look_at_file(struct inspector *i, struct span name, struct span bytes, unsigned int depth);

static bool may_unpack(struct inspector *i, size_t n, struct span name)
{
	i->to->unpacked += n;
	if (i->to->unpacked > i->limits->unpacked_bytes)
		flag(i, INSPECT_BOMB, name);
	return !(i->to->flags & INSPECT_BOMB);
}

/* Unpacked whole, since an archive's directory is at its end. Memory is held as deep as archives nest. */
static void look_into_nested(struct inspector *i, const struct zip_entry *e, unsigned int depth)
{
	_cleanup_(freep) uint8_t *to = malloc(NESTED_MAX);
	size_t n = to ? zip_unpack(e, to, NESTED_MAX) : 0;

	if (n == NESTED_MAX)
		flag(i, INSPECT_BOMB, e->name);
	if (may_unpack(i, n, e->name))
		look_at_file(i, e->name, span_make(to, n), depth);
}

static void look_at_entry(struct inspector *i, const struct zip_entry *e, unsigned int depth)
{
	uint8_t peek[PEEK_BYTES];
	size_t n = zip_unpack(e, peek, sizeof(peek));
	enum file_kind kind = file_kind_of(span_make(peek, n));

	look_at_name(i, e->name);
	if (e->encrypted)
		flag(i, INSPECT_ENCRYPTED, e->name);
	if (!may_unpack(i, n, e->name))
		return;
	if (kind == FILE_ZIP || kind == FILE_GZIP)
		look_into_nested(i, e, depth);
	else
		look_at_file(i, e->name, span_make(peek, n), depth);
}

static void look_into_zip(struct inspector *i, struct span name, struct span bytes, unsigned int depth)
{
	struct zip_entry e;
	struct zip z;

	zip_open(bytes, &z);
	while (!(i->to->flags & INSPECT_BOMB) && zip_next(&z, &e)) {
		if (++i->to->entries > i->limits->entries)
			flag(i, INSPECT_BOMB, name);
		else
			look_at_entry(i, &e, depth + 1);
	}
}

static void look_into_gzip(struct inspector *i, struct span name, struct span bytes, unsigned int depth)
{
	_cleanup_(freep) uint8_t *to = malloc(NESTED_MAX);
	size_t n = to ? gzip_unpack(bytes, to, NESTED_MAX) : 0;

	if (may_unpack(i, n, name))
		look_at_file(i, name, span_make(to, n), depth + 1);
}

static void look_at_file(struct inspector *i, struct span name, struct span bytes, unsigned int depth)
{
	enum file_kind kind = file_kind_of(bytes);

	if (kind == FILE_PROGRAM)
		flag(i, INSPECT_PROGRAM, name);
	if (kind == FILE_ARCHIVE)
		flag(i, INSPECT_OPAQUE, name);
	if (kind != FILE_ZIP && kind != FILE_GZIP)
		return;
	if (depth > i->to->archive_nesting)
		i->to->archive_nesting = depth;
	if (depth > i->limits->archive_nesting)
		flag(i, INSPECT_ARCHIVE_TOO_DEEP, name);
	else if (kind == FILE_ZIP)
		look_into_zip(i, name, bytes, depth);
	else
		look_into_gzip(i, name, bytes, depth);
}

/* ---- the message ---- */

static int look_at_part(struct inspector *i, const struct mime_part *p)
{
	struct span header = span_make(i->message.p + p->header_off, p->header_len),
		    names[MIME_PART_NAMES_MAX], bytes;
	struct span body = span_make(i->message.p + p->body_off, p->body_len);
	_cleanup_(arena_freep) struct arena *a = arena_create(body.len + 4 * header.len + 65536);
	size_t n = a ? mime_part_names(a, header, names) : 0;

	if (!a || mime_decode_transfer(a, header, body, &bytes) < 0)
		return -POD_E_NOMEM;
	for (size_t k = 0; k < n; k++)
		look_at_name(i, names[k]);
	look_at_file(i, n ? names[0] : SPAN_LIT(""), bytes, 0);
	return 0;
}

static unsigned int nesting_of(const struct mime_tree *t, uint32_t part)
{
	unsigned int depth = 0;

	for (; part != MIME_NO_PART; part = t->parts[part].parent)
		depth++;
	return depth;
}

static int look_at_tree(struct inspector *i, const struct mime_tree *t)
{
	int r = 0;

	i->to->parts = t->n;
	if (t->n > i->limits->parts)
		flag(i, INSPECT_TOO_MANY_PARTS, SPAN_LIT(""));
	for (uint32_t k = 0; r == 0 && k < t->n && k <= i->limits->parts; k++) {
		unsigned int depth = nesting_of(t, k);

		if (depth > i->to->nesting)
			i->to->nesting = depth;
		if (t->parts[k].kind == MIME_LEAF)
			r = look_at_part(i, &t->parts[k]);
	}
	if (i->to->nesting > i->limits->nesting)
		flag(i, INSPECT_TOO_DEEP, SPAN_LIT(""));
	return r;
}

int inspect_message(struct span message, const struct inspect_limits *limits,
                    struct inspection *ret_inspection)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(TREE_ARENA);
	struct inspection result = { 0 };
	struct inspector i = { limits, &result, message };
	struct mime_tree tree;
	int r = a ? mime_parse(a, message, &tree) : -POD_E_NOMEM;

	if (r == 0)
		r = look_at_tree(&i, &tree);
	if (r == 0)
		*ret_inspection = result;
	return r;
}
