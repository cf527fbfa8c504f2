/* The header of a frame between replicas: what may stand in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "replicator/link/frame.h"

static int decoded(struct frame f, struct frame *ret)
{
	uint8_t header[FRAME_HEADER_SIZE];

	f.sequence = 7;
	frame_encode(&f, header);
	return frame_decode(header, 7, ret, NULL);
}

static void a_log_frame_may_leave_its_checksum_to_its_records(void **state)
{
	static const struct {
		struct frame f;
		int r;
	} cases[] = {
		{ { FRAME_LOG, FRAME_OWN, 100, 100, 0, 0, NULL }, 0 },
		{ { FRAME_LOG, FRAME_OWN | FRAME_SHORT, 90, 100, 0, 0, NULL }, 0 },
		{ { FRAME_LOG, FRAME_OWN | FRAME_REPLY, 100, 100, 0, 0, NULL }, 0 },
		{ { FRAME_LOG, FRAME_OWN | FRAME_MORE, 100, 100, 0, 0, NULL }, 0 },
		{ { FRAME_LOG, 0, 100, 100, 0, 5, NULL }, 0 },
		/* What is unpacked first is looked at first. */
		{ { FRAME_LOG, FRAME_OWN | FRAME_LZ4, 90, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_LOG, FRAME_ZSTD | FRAME_REPLY, 90, 100, 0, 0, NULL }, 0 },
		{ { FRAME_LOG, FRAME_OWN | FRAME_ZSTD, 90, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_LOG, FRAME_LZ4 | FRAME_ZSTD, 90, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_LOG, FRAME_ZSTD, 100, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_LOG, FRAME_OWN, 100, 100, 0, 5, NULL }, -POD_E_PROTOCOL },
		/* Nothing else has checksums inside. */
		{ { FRAME_CHUNK, FRAME_OWN, 100, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_CHUNK, FRAME_MORE, 100, 100, 0, 0, NULL }, -POD_E_PROTOCOL },
		{ { FRAME_HELLO, FRAME_OWN, HELLO_SIZE, HELLO_SIZE, 0, 0, NULL }, -POD_E_PROTOCOL },
	};
	struct frame got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(decoded(cases[i].f, &got), cases[i].r);
		if (cases[i].r == 0) {
			assert_int_equal(got.flags, cases[i].f.flags);
			assert_true(got.payload_hash == cases[i].f.payload_hash);
		}
	}
}

static void any_flipped_bit_of_a_header_is_seen(void **state)
{
	struct frame f = { .type = FRAME_LOG, .flags = FRAME_OWN, .size = 64, .raw_size = 64, .sequence = 1 };
	uint8_t header[FRAME_HEADER_SIZE];

	frame_encode(&f, header);
	assert_int_equal(frame_decode(header, 1, &f, NULL), 0);
	for (size_t bit = 0; bit < sizeof(header) * 8; bit++) {
		header[bit / 8] ^= (uint8_t) (1u << bit % 8);
		assert_int_equal(frame_decode(header, 1, &f, NULL), -POD_E_PROTOCOL);
		header[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_frame_may_leave_its_checksum_to_its_records),
		cmocka_unit_test(any_flipped_bit_of_a_header_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
