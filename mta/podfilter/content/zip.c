#include "mta/podfilter/content/zip.h"

#include <zlib.h>

#define END_SIZE     22
#define CENTRAL_SIZE 46
#define LOCAL_SIZE   30
#define COMMENT_MAX  65535

#define FLAG_ENCRYPTED 1u
#define RAW_DEFLATE    (-15)
#define GZIP_FORMAT    (15 + 16)

static uint32_t u16(struct span s, size_t at)
{
	return at + 2 <= s.len ? s.p[at] | (uint32_t) s.p[at + 1] << 8 : 0;
}

static uint32_t u32(struct span s, size_t at)
{
	return u16(s, at) | u16(s, at + 2) << 16;
}

static bool is_at(struct span s, size_t at, const char *signature)
{
	return at + 4 <= s.len && memcmp(s.p + at, signature, 4) == 0;
}

static struct span cut(struct span s, size_t at, size_t len)
{
	return span_head(span_skip(s, at), len);
}

/* The end of central directory record: the last one, behind which there is only its comment. */
static size_t find_end(struct span s)
{
	size_t least = s.len > END_SIZE + COMMENT_MAX ? s.len - END_SIZE - COMMENT_MAX : 0;

	for (size_t at = s.len < END_SIZE ? 0 : s.len - END_SIZE + 1; at-- > least;)
		if (is_at(s, at, "PK\5\6"))
			return at;
	return SIZE_MAX;
}

void zip_open(struct span bytes, struct zip *ret_zip)
{
	size_t end = find_end(bytes), at = end == SIZE_MAX ? SIZE_MAX : u32(bytes, end + 16);

	*ret_zip = (struct zip){ .bytes = bytes, .left = SIZE_MAX };
	if (end == SIZE_MAX || !is_at(bytes, at, "PK\1\2"))
		return;
	ret_zip->by_directory = true;
	ret_zip->at = at;
	ret_zip->left = u16(bytes, end + 10);
}

/* The data of an entry whose local header is there. */
static struct span data_of(struct span s, size_t local, size_t len)
{
	return is_at(s, local, "PK\3\4")
	               ? cut(s, local + LOCAL_SIZE + u16(s, local + 26) + u16(s, local + 28), len)
	               : SPAN_NONE;
}

static bool next_by_directory(struct zip *z, struct zip_entry *e)
{
	size_t at = z->at, name_len = u16(z->bytes, at + 28);

	if (!z->left || at + CENTRAL_SIZE > z->bytes.len || !is_at(z->bytes, at, "PK\1\2"))
		return false;
	z->left--;
	*e = (struct zip_entry){ .name = cut(z->bytes, at + CENTRAL_SIZE, name_len),
		                 .method = u16(z->bytes, at + 10),
		                 .encrypted = u16(z->bytes, at + 8) & FLAG_ENCRYPTED,
		                 .data = data_of(z->bytes, u32(z->bytes, at + 42), u32(z->bytes, at + 20)) };
	z->at = at + CENTRAL_SIZE + name_len + u16(z->bytes, at + 30) + u16(z->bytes, at + 32);
	return true;
}

static size_t find_local(struct span s, size_t from)
{
	size_t at = from < s.len ? span_find(span_skip(s, from), SPAN_LIT("PK\3\4")) : SIZE_MAX;

	return at == SIZE_MAX ? SIZE_MAX : from + at;
}

/* The size may stand behind the data only (bit 3): then the next header is searched for. */
static bool next_by_local(struct zip *z, struct zip_entry *e)
{
	size_t at = find_local(z->bytes, z->at), name_len, len;

	if (at == SIZE_MAX || at + LOCAL_SIZE > z->bytes.len)
		return false;
	name_len = u16(z->bytes, at + 26);
	len = u32(z->bytes, at + 18);
	*e = (struct zip_entry){ .name = cut(z->bytes, at + LOCAL_SIZE, name_len),
		                 .method = u16(z->bytes, at + 8),
		                 .encrypted = u16(z->bytes, at + 6) & FLAG_ENCRYPTED,
		                 .data = data_of(z->bytes, at, len ? len : z->bytes.len) };
	z->at = at + LOCAL_SIZE + name_len + u16(z->bytes, at + 28) + (len < z->bytes.len ? len : 0);
	return true;
}

bool zip_next(struct zip *z, struct zip_entry *ret_entry)
{
	return z->by_directory ? next_by_directory(z, ret_entry) : next_by_local(z, ret_entry);
}

static size_t inflate_some(struct span in, int format, uint8_t *to, size_t size)
{
	z_stream s = { .next_in = (Bytef *) (uintptr_t) in.p,
		       .avail_in = (uInt) in.len,
		       .next_out = to,
		       .avail_out = (uInt) size };
	size_t n;

	if (in.len > UINT32_MAX || size > UINT32_MAX || inflateInit2(&s, format) != Z_OK)
		return 0;
	(void) inflate(&s, Z_SYNC_FLUSH); /* of a damaged one, what came out before the damage */
	n = size - s.avail_out;
	(void) inflateEnd(&s);
	return n;
}

size_t zip_unpack(const struct zip_entry *e, uint8_t *to, size_t size)
{
	size_t n = e->data.len < size ? e->data.len : size;

	if (e->encrypted)
		return 0;
	if (e->method == 8)
		return inflate_some(e->data, RAW_DEFLATE, to, size);
	if (e->method != 0)
		return 0;
	if (n)
		memcpy(to, e->data.p, n);
	return n;
}

size_t gzip_unpack(struct span bytes, uint8_t *to, size_t size)
{
	return inflate_some(bytes, GZIP_FORMAT, to, size);
}
