/* What need not travel: large payloads compressed, where a try shows that it helps, and the zeros that small
 * ones end in. */
#include <lz4.h>
#include <string.h>

#include "replicator/link/wire_internal.h"

#define PACK_MIN    8192u
#define SHORTEN_MAX 65536u /* unpacking is a copy */
#define PACK_PAUSE  32     /* frames that go as they are after one that did not shrink */

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

void wire_shorten(struct frame *f, const uint8_t *payload)
{
	uint32_t size = f->size;

	if (size > SHORTEN_MAX)
		return;
	while (size > 0 && payload[size - 1] == 0)
		size--;
	if (size == f->size)
		return;
	f->size = size;
	f->flags |= FRAME_SHORT;
}

static void lengthen(struct wire *w, const struct frame *f)
{
	memcpy(w->plain, f->payload, f->size);
	memset(w->plain + f->size, 0, f->raw_size - f->size);
}

static int unpack_lz4(struct wire *w, const struct frame *f, struct err *err)
{
	int n = LZ4_decompress_safe((const char *) f->payload, (char *) w->plain, (int) f->size,
	                            (int) f->raw_size);

	if (n < 0 || (uint32_t) n != f->raw_size)
		return err_set(err, POD_E_PROTOCOL, "a %s frame that does not unpack", frame_name(f->type));
	return 0;
}

int wire_unpack(struct wire *w, const struct frame *f, struct err *err)
{
	if (f->flags & FRAME_LZ4)
		return unpack_lz4(w, f, err);
	lengthen(w, f);
	return 0;
}
