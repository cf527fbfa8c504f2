/* What need not travel: large payloads compressed, where a try shows that it helps, and the zeros that small
 * ones end in. */
#include <lz4.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/link/wire_internal.h"

#define PACK_MIN       8192u
#define SHORTEN_MAX    65536u /* unpacking is a copy */
#define PACK_PAUSE_MAX 32u    /* frames that go as they are after one that did not shrink, at most */
#define ZSTD_LEVEL     1      /* the quickest */

/* ---- two ways ---- */

/* Into scratch, at most `most` bytes; 0: it does not get so small. */
static size_t pack_lz4(struct wire *w, const uint8_t *payload, size_t size, size_t most)
{
	int n = LZ4_compress_default((const char *) payload, (char *) w->scratch, (int) size, (int) most);

	return n > 0 ? (size_t) n : 0;
}

static size_t pack_zstd(struct wire *w, const uint8_t *payload, size_t size, size_t most)
{
	size_t n = ZSTD_compressCCtx(w->zstd, w->scratch, most, payload, size, ZSTD_LEVEL);

	return ZSTD_isError(n) ? 0 : n;
}

/* Into plain, never more than raw_size bytes; returns how many, SIZE_MAX: it is damaged. */
static size_t unpack_lz4(struct wire *w, const struct frame *f)
{
	int n = LZ4_decompress_safe((const char *) f->payload, (char *) w->plain, (int) f->size,
	                            (int) f->raw_size);

	return n < 0 ? SIZE_MAX : (size_t) n;
}

static size_t unpack_zstd(struct wire *w, const struct frame *f)
{
	size_t n;

	if (!w->unzstd)
		w->unzstd = ZSTD_createDCtx();
	n = w->unzstd ? ZSTD_decompressDCtx(w->unzstd, w->plain, f->raw_size, f->payload, f->size) : 0;
	return ZSTD_isError(n) ? SIZE_MAX : n;
}

static const struct {
	uint8_t flag;
	size_t (*pack)(struct wire *w, const uint8_t *payload, size_t size, size_t most);
	size_t (*unpack)(struct wire *w, const struct frame *f);
} ways[] = {
	[LINK_COMPRESS_LZ4] = { FRAME_LZ4, pack_lz4, unpack_lz4 },
	[LINK_COMPRESS_ZSTD] = { FRAME_ZSTD, pack_zstd, unpack_zstd },
};

/* With all the memory that it will ever need: nothing is allocated when a frame is sent. */
static int zstd_begin(struct wire *w, struct err *err)
{
	if (!w->zstd)
		w->zstd = ZSTD_createCCtx();
	if (!w->zstd || ZSTD_isError(ZSTD_compressCCtx(w->zstd, w->scratch, FRAME_PAYLOAD_MAX, w->plain,
	                                               FRAME_PAYLOAD_MAX, ZSTD_LEVEL)))
		return err_set(err, POD_E_NOMEM, "compression of a replication link");
	return 0;
}

int wire_set_compress(struct wire *w, enum link_compress how, struct err *err)
{
	int r = 0;

	wire_lock(w);
	if (how == LINK_COMPRESS_ZSTD && !w->zstd)
		r = zstd_begin(w, err);
	w->compress = r == 0 ? how : LINK_COMPRESS_NONE;
	w->pack_wait = w->pack_pause = 0;
	wire_unlock(w);
	return r;
}

/* Twice as many as after the try before. */
static void pause_packing(struct wire *w)
{
	w->pack_pause = w->pack_pause == 0               ? 1
	                : w->pack_pause < PACK_PAUSE_MAX ? 2 * w->pack_pause
	                                                 : PACK_PAUSE_MAX;
	w->pack_wait = w->pack_pause;
}

size_t wire_pack(struct wire *w, uint8_t *payload, size_t size, uint8_t *ret_flag)
{
	size_t n;

	if (w->compress == LINK_COMPRESS_NONE || size < PACK_MIN)
		return 0;
	if (w->pack_wait > 0) {
		w->pack_wait--;
		return 0;
	}
	n = ways[w->compress].pack(w, payload, size, size - size / 8);
	if (n == 0) {
		pause_packing(w);
		return 0;
	}
	w->pack_pause = 0;
	*ret_flag = ways[w->compress].flag;
	memcpy(payload, w->scratch, n);
	return n;
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

int wire_unpack(struct wire *w, const struct frame *f, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].flag & f->flags)
			return ways[i].unpack(w, f) == f->raw_size
			               ? 0
			               : err_set(err, POD_E_PROTOCOL, "a %s frame that does not unpack",
			                         frame_name(f->type));
	lengthen(w, f);
	return 0;
}
