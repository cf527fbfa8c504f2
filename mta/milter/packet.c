#include "mta/milter/packet.h"

#include "base/err.h"

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static void set_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t) (v >> 24);
	p[1] = (uint8_t) (v >> 16);
	p[2] = (uint8_t) (v >> 8);
	p[3] = (uint8_t) v;
}

int milter_packet_take(struct span in, struct milter_packet *ret_packet, size_t *ret_used)
{
	uint32_t len;

	if (in.len < MILTER_LENGTH_SIZE)
		return 0;
	len = get_u32(in.p);
	if (len == 0)
		return -POD_E_PROTOCOL;
	if (len > MILTER_PACKET_MAX)
		return -POD_E_LIMIT;
	if (in.len - MILTER_LENGTH_SIZE < len)
		return 0;
	*ret_packet = (struct milter_packet){ in.p[MILTER_LENGTH_SIZE],
		                              span_make(in.p + MILTER_LENGTH_SIZE + 1, len - 1) };
	*ret_used = MILTER_LENGTH_SIZE + len;
	return 1;
}

size_t milter_packet_begin(struct buf *out, uint8_t letter)
{
	size_t at = out->len;

	milter_put_u32(out, 0);
	buf_add_byte(out, letter);
	return at;
}

void milter_packet_end(struct buf *out, size_t at)
{
	if (!out->failed)
		set_u32(out->p + at, (uint32_t) (out->len - at - MILTER_LENGTH_SIZE));
}

void milter_put_u32(struct buf *out, uint32_t v)
{
	uint8_t bytes[4];

	set_u32(bytes, v);
	buf_add(out, span_make(bytes, sizeof(bytes)));
}

void milter_put_text(struct buf *out, struct span text)
{
	size_t nul;

	while ((nul = span_find_byte(text, '\0')) != SIZE_MAX) {
		buf_add(out, span_head(text, nul));
		buf_add_byte(out, ' ');
		text = span_skip(text, nul + 1);
	}
	buf_add(out, text);
	buf_add_byte(out, '\0');
}

bool milter_get_u32(struct span *data, uint32_t *ret_v)
{
	if (data->len < 4)
		return false;
	*ret_v = get_u32(data->p);
	*data = span_skip(*data, 4);
	return true;
}

bool milter_get_text(struct span *data, struct span *ret_text)
{
	size_t nul = span_find_byte(*data, '\0');

	if (nul == SIZE_MAX)
		return false;
	*ret_text = span_head(*data, nul);
	*data = span_skip(*data, nul + 1);
	return true;
}
