/* Resync and verify on a secondary: which blocks differ, and the chunks that mend that. */
#include "base/le.h"
#include "replicator/link/link_internal.h"

#define BLOCK       4096u
#define FLUSH_AFTER 4 /* ranges that are flushed together where more keeps coming */

static int check_extent(struct session *s, uint64_t offset, uint64_t length, uint64_t most, struct err *err)
{
	uint64_t size = disk_size(s->r->disk);

	if (length == 0 || length > most || length % BLOCK || offset % BLOCK || offset > size ||
	    length > size - offset)
		return err_set(err, POD_E_PROTOCOL, "a piece of %llu bytes at %llu of a volume of %llu",
		               (unsigned long long) length, (unsigned long long) offset,
		               (unsigned long long) size);
	return 0;
}

static int expect(struct session *s, uint64_t offset, uint64_t length, uint32_t missing, bool check,
                  struct err *err)
{
	if (s->n_incoming == sizeof(s->incoming) / sizeof(s->incoming[0]))
		return err_set(err, POD_E_PROTOCOL, "more pieces at once than agreed");
	s->incoming[s->n_incoming++] =
		(struct incoming){ .offset = offset, .length = length, .missing = missing, .check = check };
	return 0;
}

int receive_hashes(struct session *s, const struct frame *f, struct err *err)
{
	uint64_t offset = le_get64(f->payload), length = le_get64(f->payload + 8), ours[RANGE_BLOCKS];
	uint8_t answer[16 + RANGE_BLOCKS / 8] = { 0 };
	uint32_t differ = 0, blocks;
	bool check = f->flags & FRAME_CHECK;
	int r = check_extent(s, offset, length, RANGE_BYTES, err);

	if (r < 0)
		return r;
	blocks = (uint32_t) (length / BLOCK);
	if (f->size != 16 + 8 * blocks)
		return err_set(err, POD_E_PROTOCOL, "a HASHES frame with %u bytes for %u blocks", f->size,
		               blocks);
	r = disk_hashes(s->r->disk, offset, length, ours, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < blocks; i++) {
		if (le_get64(f->payload + 16 + 8 * (size_t) i) == ours[i])
			continue;
		answer[16 + i / 8] |= (uint8_t) (1u << i % 8);
		differ++;
	}
	le_put64(answer, offset);
	le_put64(answer + 8, length);
	r = session_put(s, FRAME_DIFFERS, check ? FRAME_CHECK : 0, answer, sizeof(answer), err);
	return r < 0 || check ? r : expect(s, offset, length, differ, false, err);
}

static struct incoming *range_of(struct session *s, uint64_t offset, uint64_t length)
{
	for (size_t i = 0; i < s->n_incoming; i++) {
		struct incoming *in = &s->incoming[i];

		if (!in->check && in->missing && offset >= in->offset && length <= in->length &&
		    offset - in->offset <= in->length - length)
			return in;
	}
	return NULL;
}

int receive_chunk(struct session *s, const struct frame *f, struct err *err)
{
	uint64_t offset = le_get64(f->payload), length = le_get64(f->payload + 8);
	bool zero = f->flags & FRAME_ZERO, check = f->flags & FRAME_CHECK;
	struct incoming *in;
	int r = check_extent(s, offset, length, CHUNK_BYTES, err);

	if (r < 0)
		return r;
	if (f->size != 16 + (zero ? 0 : length))
		return err_set(err, POD_E_PROTOCOL, "a CHUNK frame with %u bytes for %llu", f->size,
		               (unsigned long long) length);
	in = check ? NULL : range_of(s, offset, length);
	if (!check && (!in || in->missing < length / BLOCK))
		return err_set(err, POD_E_PROTOCOL, "a CHUNK frame that nobody asked for");
	r = zero ? disk_image_zero(s->r->disk, offset, length, err)
	         : disk_image_write(s->r->disk, offset, f->payload + 16, length, err);
	if (r < 0)
		return r;
	if (check)
		return expect(s, offset, length, 0, true, err);
	in->missing -= (uint32_t) (length / BLOCK);
	return 0;
}

int receive_confirm(struct session *s, bool idle, struct err *err)
{
	size_t written = 0, kept = 0;
	int r;

	for (size_t i = 0; i < s->n_incoming; i++)
		written += s->incoming[i].missing == 0;
	if (written == 0 || (!idle && written < FLUSH_AFTER))
		return 0;
	r = disk_image_flush(s->r->disk, err);
	for (size_t i = 0; r == 0 && i < s->n_incoming; i++) {
		struct incoming in = s->incoming[i];

		if (in.missing)
			s->incoming[kept++] = in;
		else
			r = session_put_2u64(s, FRAME_CHUNK_DURABLE, in.check ? FRAME_CHECK : 0, in.offset,
			                     in.length, err);
	}
	s->n_incoming = kept;
	return r;
}
