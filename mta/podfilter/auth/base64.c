/* The base64 of public_key.h: OpenSSL's, with what it lets pass refused. */
#include "mta/podfilter/auth/public_key.h"
#include "mta/podfilter/auth/tags.h"

int base64_decode(struct arena *a, struct span text, struct span *ret_bytes)
{
	struct span squeezed = tags_squeeze(a, text);
	size_t padding = 0;
	uint8_t *to;
	int n;

	if (!squeezed.p)
		return -POD_E_NOMEM;
	/* EVP_DecodeBlock gives the bytes of the padding as zeros */
	while (padding < 2 && padding < squeezed.len && squeezed.p[squeezed.len - 1 - padding] == '=')
		padding++;
	if (squeezed.len == 0 || squeezed.len % 4 || squeezed.len > 1u << 20 ||
	    span_find_byte(span_head(squeezed, squeezed.len - padding), '=') != SIZE_MAX)
		return -POD_E_SYNTAX;
	to = arena_alloc(a, squeezed.len / 4 * 3 + 1);
	if (!to)
		return -POD_E_NOMEM;
	n = EVP_DecodeBlock(to, squeezed.p, (int) squeezed.len);
	if (n < (int) padding)
		return -POD_E_SYNTAX;
	*ret_bytes = span_make(to, (size_t) n - padding);
	return 0;
}

struct span base64_encode(struct arena *a, struct span bytes)
{
	uint8_t *to = bytes.len < 1u << 24 ? arena_alloc(a, (bytes.len + 2) / 3 * 4 + 1) : NULL;

	return to ? span_make(to, (size_t) EVP_EncodeBlock(to, bytes.p, (int) bytes.len)) : SPAN_NONE;
}
