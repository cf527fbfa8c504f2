#include "imapd/eas/item/options.h"

#include "base/cleanup.h"

void eas_item_options_init(struct eas_item_options *o, unsigned int version)
{
	*o = (struct eas_item_options){
		.version = version,
		.mime_support = EAS_MIME_UNSAID,
		.mime_truncation = EAS_UNLIMITED,
		.truncation = EAS_UNLIMITED,
	};
	for (size_t i = 0; i < ARRAY_SIZE(o->body); i++)
		o->body[i].truncation = EAS_UNLIMITED;
	o->part.truncation = EAS_UNLIMITED;
}

/* ---- reading ---- */

/* BodyPreference and BodyPartPreference have the same children (MS-ASAIRS 2.2.2.12, 2.2.2.11). */
static int read_preference(const struct wbxml_node *node, uint64_t *ret_type,
                           struct eas_body_preference *ret_preference)
{
	struct eas_body_preference p = { .wanted = true, .truncation = EAS_UNLIMITED };
	uint64_t type, preview = 0;
	int r;

	if (wbxml_child_uint(node, AIRSYNCBASE_TYPE, EAS_BODY_TYPES, &type) <= 0 || type == 0)
		return -POD_E_SYNTAX;
	r = wbxml_child_uint(node, AIRSYNCBASE_TRUNCATIONSIZE, UINT32_MAX, &p.truncation);
	if (r >= 0)
		r = wbxml_child_bool(node, AIRSYNCBASE_ALLORNONE, false, &p.all_or_none);
	if (r >= 0)
		r = wbxml_child_uint(node, AIRSYNCBASE_PREVIEW, EAS_PREVIEW_MAX, &preview);
	if (r < 0)
		return -POD_E_SYNTAX;
	p.preview = (uint16_t) preview;
	*ret_type = type;
	*ret_preference = p;
	return 0;
}

static int read_preferences(const struct wbxml_node *options, struct eas_item_options *o)
{
	unsigned int seen = 0;

	for (const struct wbxml_node *n = wbxml_child(options, AIRSYNCBASE_BODYPREFERENCE); n;
	     n = wbxml_again(n)) {
		struct eas_body_preference p;
		uint64_t type;
		int r = read_preference(n, &type, &p);

		if (r < 0)
			return r;
		if (seen & 1u << type)
			return -POD_E_SYNTAX;
		seen |= 1u << type;
		o->body[type] = p;
	}
	return 0;
}

static int read_part_preference(const struct wbxml_node *options, struct eas_item_options *o)
{
	const struct wbxml_node *n = wbxml_child(options, AIRSYNCBASE_BODYPARTPREFERENCE);
	struct eas_body_preference p;
	uint64_t type;
	int r;

	if (!n)
		return 0;
	r = wbxml_again(n) ? -POD_E_SYNTAX : read_preference(n, &type, &p);
	if (r == 0 && type != EAS_BODY_HTML)
		r = -POD_E_UNSUPPORTED;
	if (r == 0)
		o->part = p;
	return r;
}

/* A child whose value is an index into a table of sizes. */
static int read_size(const struct wbxml_node *options, enum wbxml_tag tag, const uint64_t *sizes, size_t n,
                     uint64_t *ret_size)
{
	uint64_t index;
	int r = wbxml_child_uint(options, tag, n - 1, &index);

	if (r > 0)
		*ret_size = sizes[index];
	return r < 0 ? -POD_E_SYNTAX : 0;
}

int eas_item_options_read(const struct wbxml_node *options, struct eas_item_options *o)
{
	static const uint64_t mime_sizes[] = {
		0, 4096, 5120, 7168, 10240, 20480, 51200, 102400, EAS_UNLIMITED
	};
	static const uint64_t sizes[] = {
		0, 512, 1024, 2048, 5120, 10240, 20480, 51200, 102400, EAS_UNLIMITED
	};
	uint64_t support;
	int r = wbxml_child_uint(options, AIRSYNC_MIMESUPPORT, EAS_MIME_ALWAYS, &support);

	if (r < 0)
		return -POD_E_SYNTAX;
	if (r > 0)
		o->mime_support = (enum eas_mime_support) support;
	r = read_size(options, AIRSYNC_MIMETRUNCATION, mime_sizes, ARRAY_SIZE(mime_sizes),
	              &o->mime_truncation);
	if (r == 0)
		r = read_size(options, AIRSYNC_TRUNCATION, sizes, ARRAY_SIZE(sizes), &o->truncation);
	if (r == 0)
		r = read_preferences(options, o);
	return r == 0 ? read_part_preference(options, o) : r;
}

bool eas_item_options_want_body(const struct eas_item_options *o)
{
	bool wanted = o->whole_by_default || o->part.wanted || o->mime_support == EAS_MIME_ALWAYS ||
	              o->version < 120;

	for (size_t i = 0; i < ARRAY_SIZE(o->body); i++)
		wanted |= o->body[i].wanted;
	return wanted;
}

/* ---- kept ----
 * A version byte, MIMESupport, then the sizes and preferences: for each preference one byte of its presence,
 * AllOrNone and preview's presence, its preview and its truncation. Numbers are little-endian.
 */
#define PACK_VERSION 1
#define WANTED       1u
#define ALL_OR_NONE  2u

static void put_number(struct buf *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_add_byte(out, (uint8_t) (v >> 8 * i));
}

static bool take_number(struct span *in, size_t bytes, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (in->len < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t) in->p[i] << 8 * i;
	*in = span_skip(*in, bytes);
	*ret_value = v;
	return true;
}

static void pack_preference(struct buf *out, const struct eas_body_preference *p)
{
	put_number(out, (p->wanted ? WANTED : 0) | (p->all_or_none ? ALL_OR_NONE : 0), 1);
	put_number(out, p->preview, 2);
	put_number(out, p->truncation, 8);
}

static bool unpack_preference(struct span *in, struct eas_body_preference *p)
{
	uint64_t bits, preview;

	if (!take_number(in, 1, &bits) || !take_number(in, 2, &preview) ||
	    !take_number(in, 8, &p->truncation))
		return false;
	p->wanted = (bits & WANTED) != 0;
	p->all_or_none = (bits & ALL_OR_NONE) != 0;
	p->preview = (uint16_t) preview;
	return preview <= EAS_PREVIEW_MAX;
}

void eas_item_options_pack(const struct eas_item_options *o, struct buf *out)
{
	put_number(out, PACK_VERSION, 1);
	put_number(out, o->mime_support, 1);
	put_number(out, o->mime_truncation, 8);
	put_number(out, o->truncation, 8);
	for (size_t i = 1; i < ARRAY_SIZE(o->body); i++)
		pack_preference(out, &o->body[i]);
	pack_preference(out, &o->part);
}

int eas_item_options_unpack(struct span *in, unsigned int version, struct eas_item_options *ret_options)
{
	struct eas_item_options o;
	uint64_t pack_version, support;
	bool ok;

	eas_item_options_init(&o, version);
	ok = take_number(in, 1, &pack_version) && pack_version == PACK_VERSION &&
	     take_number(in, 1, &support) && support <= EAS_MIME_UNSAID &&
	     take_number(in, 8, &o.mime_truncation) && take_number(in, 8, &o.truncation);
	for (size_t i = 1; ok && i < ARRAY_SIZE(o.body); i++)
		ok = unpack_preference(in, &o.body[i]);
	if (!ok || !unpack_preference(in, &o.part))
		return -POD_E_CORRUPT;
	o.mime_support = (enum eas_mime_support) support;
	*ret_options = o;
	return 0;
}
