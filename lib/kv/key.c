#include "kv/kv.h"

#include <assert.h>
#include <endian.h>

/* A key of numbers has a shape its writer knows to fit; only bytes from outside (key_bytes) can be too long.
 */
static void append(struct key *k, const void *p, size_t n)
{
	assert(k->len + n <= KV_KEY_MAX);
	memcpy(k->b + k->len, p, n);
	k->len = (uint16_t) (k->len + n);
}

void key_u32(struct key *k, uint32_t v)
{
	v = htobe32(v);
	append(k, &v, sizeof(v));
}

void key_u64(struct key *k, uint64_t v)
{
	v = htobe64(v);
	append(k, &v, sizeof(v));
}

int key_bytes(struct key *k, struct span s)
{
	if (s.len > (size_t) KV_KEY_MAX - k->len)
		return -POD_E_LIMIT;
	if (s.len)
		append(k, s.p, s.len);
	return 0;
}

uint32_t key_get_u32(struct span key, size_t off)
{
	uint32_t v;

	if (key.len < sizeof(v) || off > key.len - sizeof(v))
		return 0;
	memcpy(&v, key.p + off, sizeof(v));
	return be32toh(v);
}

uint64_t key_get_u64(struct span key, size_t off)
{
	uint64_t v;

	if (key.len < sizeof(v) || off > key.len - sizeof(v))
		return 0;
	memcpy(&v, key.p + off, sizeof(v));
	return be64toh(v);
}
