#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "replicator/core/record.h"

#define VOLUME (UINT64_C(1) << 30)

/* A record of each type that is in order. */
static struct record sample(enum record_type type)
{
	struct record r = {
		.type = type, .lsn = 8192, .previous_crc = 77, .epoch = 3, .payload_hash = 0x0123456789abcdef
	};

	switch (type) {
	case RECORD_WRITE:
		r.length = 8192;
		r.payload_size = 8192;
		r.offset = 4096;
		break;
	case RECORD_ZERO:
	case RECORD_TRIM: r.length = VOLUME; break;
	case RECORD_COMMIT: r.offset = 1700000000000; break;
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_DELETE: r.payload_size = RECORD_NAME_MAX; break;
	case RECORD_RESIZE: r.offset = VOLUME + 65536; break;
	case RECORD_TYPES: break;
	}
	return r;
}

static void crc32c_is_the_one_of_rfc3720(void **state)
{
	uint8_t zeros[32] = { 0 }, ones[32], rising[32];

	for (size_t i = 0; i < 32; i++) {
		ones[i] = 0xff;
		rising[i] = (uint8_t) i;
	}
	assert_int_equal(crc32c(zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c(ones, 32), 0x62a8ab43);
	assert_int_equal(crc32c(rising, 32), 0x46dd794e);
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
}

static void a_record_of_every_type_comes_back_as_it_was(void **state)
{
	for (int type = RECORD_WRITE; type < RECORD_TYPES; type++) {
		struct record r = sample((enum record_type) type), got;
		uint8_t header[RECORD_HEADER_SIZE];

		record_encode(&r, header);
		assert_int_equal(record_decode(header, 8192, 77, VOLUME, &got, NULL), 0);
		assert_int_equal(got.type, r.type);
		assert_int_equal(got.payload_size, r.payload_size);
		assert_int_equal(got.previous_crc, 77);
		assert_int_equal(got.crc, r.crc);
		assert_int_equal(got.lsn, 8192);
		assert_int_equal(got.offset, r.offset);
		assert_int_equal(got.length, r.length);
		assert_int_equal(got.epoch, 3);
		assert_int_equal(got.payload_hash, r.payload_hash);
	}
}

static void any_flipped_bit_means_that_no_record_stands_there(void **state)
{
	struct record r = sample(RECORD_WRITE), got;
	uint8_t header[RECORD_HEADER_SIZE];

	record_encode(&r, header);
	for (size_t bit = 0; bit < RECORD_HEADER_SIZE * 8; bit++) {
		header[bit / 8] ^= (uint8_t) (1u << bit % 8);
		assert_int_equal(record_decode(header, 8192, 77, VOLUME, &got, NULL), -POD_E_NOTFOUND);
		header[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
}

static void a_record_of_another_place_or_chain_is_not_found(void **state)
{
	struct record r = sample(RECORD_ZERO), got;
	uint8_t header[RECORD_HEADER_SIZE];
	uint64_t epoch = 0;

	record_encode(&r, header);
	assert_int_equal(record_decode(header, 8192 + 4096, 77, VOLUME, &got, NULL), -POD_E_NOTFOUND);
	assert_int_equal(record_decode(header, 8192, 78, VOLUME, &got, NULL), -POD_E_NOTFOUND);
	assert_true(record_stands(header, 8192, &epoch));
	assert_int_equal(epoch, 3);
	assert_false(record_stands(header, 4096, &epoch));
}

static void what_is_out_of_range_is_damage(void **state)
{
	static const struct {
		enum record_type type;
		uint64_t offset, length;
		uint32_t payload;
		uint8_t flags;
	} cases[] = {
		{ RECORD_WRITE, VOLUME, 4096, 4096, 0 },
		{ RECORD_WRITE, VOLUME - 4096, 8192, 8192, 0 },
		{ RECORD_WRITE, 100, 4096, 4096, 0 },
		{ RECORD_WRITE, 0, 4096, 8192, 0 },
		{ RECORD_WRITE, 0, 0, 0, 0 },
		{ RECORD_WRITE, 0, RECORD_PAYLOAD_MAX + 4096, RECORD_PAYLOAD_MAX + 4096, 0 },
		{ RECORD_WRITE, 0, 4096, 4096, 2 },
		{ RECORD_ZERO, 0, 4096, 0, RECORD_ALIGNED },
		{ RECORD_ZERO, 0, UINT64_MAX - 4095, 0, 0 },
		{ RECORD_ZERO, UINT64_MAX - 4095, 8192, 0, 0 },
		{ RECORD_ZERO, 0, 4096, 64, 0 },
		{ RECORD_TRIM, 0, 1, 0, 0 },
		{ RECORD_COMMIT, 0, 0, 64, 0 },
		{ RECORD_SNAPSHOT, 0, 0, 0, 0 },
		{ RECORD_SNAPSHOT_DELETE, 0, 0, 65, 0 },
		{ RECORD_RESIZE, VOLUME, 0, 0, 0 },
		{ RECORD_RESIZE, VOLUME + 1, 0, 0, 0 },
		{ RECORD_RESIZE, UINT64_MAX - 65535, 0, 0, 0 },
		{ RECORD_TYPES, 0, 0, 0, 0 },
		{ (enum record_type) 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record r = { .type = cases[i].type, .flags = cases[i].flags, .lsn = 4096 }, got;
		uint8_t header[RECORD_HEADER_SIZE];

		r.offset = cases[i].offset;
		r.length = cases[i].length;
		r.payload_size = cases[i].payload;
		record_encode(&r, header);
		assert_int_equal(record_decode(header, 4096, 0, VOLUME, &got, NULL), -POD_E_CORRUPT);
	}
}

static void the_next_record_follows_at_once_but_behind_a_commit_aligned(void **state)
{
	struct record w = { .type = RECORD_WRITE, .lsn = 4096, .payload_size = 4096 };
	struct record c = { .type = RECORD_COMMIT, .lsn = 8256 };
	struct record full = { .type = RECORD_COMMIT, .lsn = 8192 - RECORD_HEADER_SIZE };

	assert_int_equal(record_next(&w), 4096 + 64 + 4096);
	assert_int_equal(record_next(&c), 12288);
	assert_int_equal(record_next(&full), 8192);
}

static void an_aligned_payload_leaves_room_for_a_note(void **state)
{
	static const struct {
		uint64_t lsn, data;
	} cases[] = { { 4096, 8192 }, { 4160, 8192 }, { 8064, 8192 }, { 8128, 12288 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record r = { .type = RECORD_WRITE,
			            .flags = RECORD_ALIGNED,
			            .lsn = cases[i].lsn,
			            .payload_size = RECORD_PAYLOAD_MAX };
		uint8_t bytes[RECORD_NOTE_SIZE] = { 0 }, zeros[RECORD_NOTE_SIZE] = { 0 };

		assert_int_equal(record_data(&r), cases[i].data);
		assert_int_equal(record_next(&r), cases[i].data + RECORD_PAYLOAD_MAX);
		assert_true(record_next(&r) - r.lsn <= RECORD_SIZE_MAX);
		assert_false(record_is_noted(&r, bytes));
		record_note_placed(bytes);
		assert_true(record_is_noted(&r, bytes));
		record_note_clear(bytes);
		assert_memory_equal(bytes, zeros, sizeof(bytes));
		r.flags = 0;
		record_note_placed(bytes);
		assert_false(record_is_noted(&r, bytes));
	}
}

static void names_are_plain_and_padded(void **state)
{
	static const char *const good[] = { "a", "2026-11-26t08.00", "x_1" };
	static const char *const bad[] = { "", ".", ".hidden", "a/b", "A", "a b", "\xc3\xa4" };
	uint8_t payload[RECORD_NAME_MAX];
	char name[RECORD_NAME_MAX], longest[RECORD_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		record_name_put(good[i], payload);
		assert_true(record_name_get(payload, name));
		assert_string_equal(name, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(record_name_ok(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[RECORD_NAME_MAX] = '\0';
	assert_false(record_name_ok(longest));
	longest[RECORD_NAME_MAX - 1] = '\0';
	assert_true(record_name_ok(longest));
	memset(payload, 'a', sizeof(payload));
	assert_false(record_name_get(payload, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_is_the_one_of_rfc3720),
		cmocka_unit_test(a_record_of_every_type_comes_back_as_it_was),
		cmocka_unit_test(any_flipped_bit_means_that_no_record_stands_there),
		cmocka_unit_test(a_record_of_another_place_or_chain_is_not_found),
		cmocka_unit_test(what_is_out_of_range_is_damage),
		cmocka_unit_test(the_next_record_follows_at_once_but_behind_a_commit_aligned),
		cmocka_unit_test(an_aligned_payload_leaves_room_for_a_note),
		cmocka_unit_test(names_are_plain_and_padded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
