/* Compression of large payloads, where a try shows that it helps. */
#include <lz4.h>
#include <string.h>

#include "replicator/link/wire_internal.h"

#define PACK_MIN   8192u
#define PACK_PAUSE 32 /* frames that go as they are after one that did not shrink */

size_t wire_pack(struct wire *w, uint8_t *payload, size_t size)
{
	int most = (int) (size - size / 8), n;

	if (!w->lz4 || size < PACK_MIN)
		return 0;
	if (w->lz4_wait > 0) {
		w->lz4_wait--;
		return 0;
	}
	n = LZ4_compress_default((const char *) payload, (char *) w->scratch, (int) size, most);
	if (n <= 0) {
		w->lz4_wait = PACK_PAUSE;
		return 0;
	}
	memcpy(payload, w->scratch, (size_t) n);
	return (size_t) n;
}

int wire_unpack(struct wire *w, const struct frame *f, struct err *err)
{
	int n = LZ4_decompress_safe((const char *) f->payload, (char *) w->plain, (int) f->size,
	                            (int) f->raw_size);

	if (n < 0 || (uint32_t) n != f->raw_size)
		return err_set(err, POD_E_PROTOCOL, "a %s frame that does not unpack", frame_name(f->type));
	return 0;
}
