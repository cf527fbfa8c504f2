/* What frames weigh on the line between replicas: two wires without a line between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "replicator/link/wire_internal.h"

#define SIZE 65536u

struct line {
	struct wire *from, *to;
	struct err err;
};

static void line_open(struct line *l, enum link_compress how)
{
	*l = (struct line){ .from = NULL };
	assert_int_equal(wire_create(&l->from, NULL), 0);
	assert_int_equal(wire_create(&l->to, NULL), 0);
	l->from->fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* frames can be made; nothing is sent */
	assert_true(l->from->fd >= 0);
	assert_int_equal(wire_set_compress(l->from, how, NULL), 0);
}

static void line_close(struct line *l)
{
	wire_free(l->from);
	wire_free(l->to);
}

/* What waits to be sent arrives; how many bytes that is. */
static size_t carry(struct line *l)
{
	size_t n = l->from->out_to - l->from->out_from;

	memcpy(l->to->in, l->from->out + l->from->out_from, n);
	l->to->in_from = 0;
	l->to->in_to = n;
	l->from->out_from = l->from->out_to = 0;
	return n;
}

/* A LOG frame with these bytes arrives as it was; what it cost. */
static size_t send_log(struct line *l, const uint8_t *bytes, size_t size)
{
	struct frame f;
	size_t cost;

	assert_int_equal(wire_put(l->from, FRAME_LOG, 0, bytes, size), 0);
	cost = carry(l);
	assert_int_equal(wire_next(l->to, &f, &l->err), 1);
	assert_int_equal(f.size, size);
	assert_memory_equal(f.payload, bytes, size);
	return cost;
}

static void fill(uint8_t *bytes, bool random_bytes)
{
	static const char letter[] = "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n";

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = random_bytes ? (uint8_t) random() : (uint8_t) letter[i % (sizeof(letter) - 1)];
}

static const enum link_compress ways[] = { LINK_COMPRESS_LZ4, LINK_COMPRESS_ZSTD };

static void what_shrinks_is_compressed_and_the_rest_goes_as_it_is(void **state)
{
	static uint8_t text[SIZE], noise[SIZE];

	fill(text, false);
	fill(noise, true);
	for (size_t i = 0; i < 2; i++) {
		struct line l;

		line_open(&l, ways[i]);
		assert_true(send_log(&l, text, SIZE) < SIZE / 16);
		assert_true(wire_bytes_saved(l.from) > SIZE / 16 * 15);
		assert_int_equal(send_log(&l, text, 4096),
		                 FRAME_HEADER_SIZE + 4096); /* too small to gain by it */
		line_close(&l);
	}
}

static void what_does_not_shrink_is_tried_less_and_less(void **state)
{
	static uint8_t text[SIZE], noise[SIZE];
	unsigned int tried_at[8] = { 0 };
	struct line l;

	fill(text, false);
	fill(noise, true);
	line_open(&l, LINK_COMPRESS_LZ4);
	for (unsigned int i = 0, n = 0; n < 8; i++) {
		bool waits = l.from->pack_wait > 0;

		assert_int_equal(send_log(&l, waits ? text : noise, SIZE), FRAME_HEADER_SIZE + SIZE);
		if (!waits)
			tried_at[n++] = i;
	}
	for (unsigned int n = 1; n < 8; n++)
		assert_int_equal(tried_at[n] - tried_at[n - 1] - 1, n < 6 ? 1u << (n - 1) : 32);
	for (unsigned int i = 0; i < 32; i++)
		assert_int_equal(send_log(&l, text, SIZE), FRAME_HEADER_SIZE + SIZE);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(send_log(&l, text, SIZE) < SIZE / 16);
	line_close(&l);
}

/* Attachments: LZ4 finds nothing that repeats, zstd that each byte has six bits. */
static void base64_shrinks_by_zstd_alone(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static uint8_t attachment[SIZE];
	struct line l;

	for (size_t i = 0; i < SIZE; i++)
		attachment[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : (uint8_t) digits[random() % 64];
	line_open(&l, LINK_COMPRESS_LZ4);
	assert_int_equal(send_log(&l, attachment, SIZE), FRAME_HEADER_SIZE + SIZE);
	line_close(&l);
	line_open(&l, LINK_COMPRESS_ZSTD);
	assert_true(send_log(&l, attachment, SIZE) < SIZE / 100 * 80);
	line_close(&l);
}

static void nothing_is_compressed_unless_it_is_asked_for(void **state)
{
	static uint8_t text[SIZE];
	struct line l;

	line_open(&l, LINK_COMPRESS_NONE);
	fill(text, false);
	assert_int_equal(send_log(&l, text, SIZE), FRAME_HEADER_SIZE + SIZE);
	assert_int_equal(wire_bytes_saved(l.from), 0);
	line_close(&l);
}

/* Good headers and hashes over a payload that is not what they say: a sender that is wrong, not a line. */
static int send_spoilt(struct line *l, size_t at, uint8_t with, int raw_more)
{
	static uint8_t text[SIZE];
	uint8_t *header = l->from->out;
	struct frame f;

	fill(text, false);
	for (size_t i = 0; i < SIZE; i += 64) /* many sequences, so that there is something to spoil */
		le_put64(text + i, (uint64_t) random());
	assert_int_equal(wire_put(l->from, FRAME_LOG, 0, text, SIZE), 0);
	assert_int_equal(frame_decode(header, l->from->sequence_out, &f, NULL), 0);
	assert_true(f.flags & (FRAME_LZ4 | FRAME_ZSTD) && at < f.size);
	header[FRAME_HEADER_SIZE + at] ^= with;
	f.raw_size += (uint32_t) raw_more;
	f.payload_hash = frame_hash(header + FRAME_HEADER_SIZE, f.size);
	frame_encode(&f, header);
	(void) carry(l);
	l->to->sequence_in = l->from->sequence_out - 1;
	return wire_next(l->to, &f, &l->err);
}

static void spoil(enum link_compress how)
{
	unsigned int refused = 0;
	struct line l;

	line_open(&l, how);
	assert_int_equal(send_spoilt(&l, 0, 0, 0), 1);
	assert_int_equal(send_spoilt(&l, 0, 0, 1), -POD_E_PROTOCOL);  /* less than it says */
	assert_int_equal(send_spoilt(&l, 0, 0, -1), -POD_E_PROTOCOL); /* and more */
	assert_non_null(strstr(err_text(&l.err), "unpack"));
	assert_int_equal(send_spoilt(&l, 0, 0, FRAME_PAYLOAD_MAX), -POD_E_PROTOCOL);
	/* Anywhere: some of it only changes what comes out, which the log's own checksums are for. */
	for (size_t at = 0; at < 2000; at++) {
		int r = send_spoilt(&l, at, 0xff, 0);

		assert_true(r == 1 || r == -POD_E_PROTOCOL);
		refused += r < 0;
	}
	assert_true(refused > 10);
	line_close(&l);
}

static void a_payload_that_does_not_unpack_ends_the_connection(void **state)
{
	for (size_t i = 0; i < 2; i++)
		spoil(ways[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_shrinks_is_compressed_and_the_rest_goes_as_it_is),
		cmocka_unit_test(what_does_not_shrink_is_tried_less_and_less),
		cmocka_unit_test(base64_shrinks_by_zstd_alone),
		cmocka_unit_test(nothing_is_compressed_unless_it_is_asked_for),
		cmocka_unit_test(a_payload_that_does_not_unpack_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
