#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/le.h"
#include "replicator/core/record.h"
#include "replicator/core/superblock.h"

static struct superblock sample(void)
{
	struct superblock s = {
		.sequence = 41,
		.volume_id = { 1, 2, 3 },
		.replica_id = { 9, 8 },
		.stage_id = 5,
		.size_bytes = 20u << 20,
		.log_bytes = LOG_BYTES_MIN,
		.role = ROLE_PRIMARY,
		.token = 1234567,
		.own_token = 1234566,
		.tail_lsn = 1 << 20,
		.tail_epoch = 17,
		.tail_previous_crc = 0xdeadbeef,
		.log_first_lsn = 4096,
		.group_from_lsn = 8192,
		.group_to_lsn = 16384,
		.consistent_from_lsn = 3 << 20,
		.resync_under_way = true,
		.torn_to_lsn = 5 << 20,
		.n_torn = 2,
		.torn = { { 0, 8192 }, { 65536, 262144 } },
	};

	for (size_t i = 0; i < GENERATIONS_MAX; i++)
		s.generations[i] = (struct generation){ .id = 100 + i, .end = i << 20 };
	for (size_t i = 0; i < PEERS_MAX; i++) {
		(void) snprintf(s.peers[i].name, PEER_NAME_SIZE, "site%zu", i);
		s.peers[i].needs_lsn = i << 12;
		s.peers[i].in_bitmap = i % 2;
		s.peers[i].base_lsn = i == 3 ? BASE_NONE : i << 13;
	}
	return s;
}

/* Puts a right checksum on a block that was changed by hand. */
static void seal(uint8_t *block)
{
	le_put64(block + SUPERBLOCK_SIZE - 8, record_hash(block, SUPERBLOCK_SIZE - 8));
}

static void a_superblock_comes_back_as_it_was(void **state)
{
	uint8_t block[SUPERBLOCK_SIZE], again[SUPERBLOCK_SIZE];
	struct superblock s = sample(), got;

	superblock_encode(&s, block);
	assert_int_equal(superblock_decode(block, &got, NULL), 0);
	assert_int_equal(got.token, s.token);
	assert_int_equal(got.own_token, s.own_token);
	assert_int_equal(got.tail_previous_crc, s.tail_previous_crc);
	assert_int_equal(got.generations[15].id, 115);
	assert_string_equal(got.peers[3].name, "site3");
	assert_true(got.peers[3].in_bitmap);
	assert_true(got.peers[3].base_lsn == BASE_NONE);
	assert_int_equal(got.group_to_lsn, 16384);
	assert_true(got.resync_under_way);
	assert_int_equal(got.torn_to_lsn, 5 << 20);
	assert_int_equal(got.n_torn, 2);
	assert_int_equal(got.torn[1].length, 262144);
	superblock_encode(&got, again);
	assert_memory_equal(block, again, SUPERBLOCK_SIZE);
}

static void any_flipped_bit_is_noticed(void **state)
{
	uint8_t block[SUPERBLOCK_SIZE];
	struct superblock s = sample(), got;

	superblock_encode(&s, block);
	for (size_t bit = 0; bit < SUPERBLOCK_SIZE * 8; bit += 3) {
		block[bit / 8] ^= (uint8_t) (1u << bit % 8);
		assert_int_equal(superblock_decode(block, &got, NULL), -POD_E_CORRUPT);
		block[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
}

static void nonsense_with_a_right_checksum_is_refused(void **state)
{
	uint8_t block[SUPERBLOCK_SIZE];
	struct superblock s, got;

#define REFUSED(change)                                                                 \
	do {                                                                            \
		s = sample();                                                           \
		change;                                                                 \
		superblock_encode(&s, block);                                           \
		assert_int_equal(superblock_decode(block, &got, NULL), -POD_E_CORRUPT); \
	} while (0)
	REFUSED(s.role = (enum replica_role) 7);
	REFUSED(s.size_bytes = 0);
	REFUSED(s.size_bytes = 65537);
	REFUSED(s.log_bytes = 4096);
	REFUSED(s.log_bytes = LOG_BYTES_MIN + 4096);
	REFUSED(s.tail_lsn = 0);
	REFUSED(s.tail_lsn = 4097);
	REFUSED(s.log_first_lsn = s.tail_lsn + 4096);
	REFUSED(s.log_first_lsn = 0);
#undef REFUSED
	s = sample();
	superblock_encode(&s, block);
	memset(block + 384, 'x', PEER_NAME_SIZE);
	seal(block);
	assert_int_equal(superblock_decode(block, &got, NULL), -POD_E_CORRUPT);
}

static void the_newer_whole_slot_is_chosen(void **state)
{
	uint8_t slot[2][SUPERBLOCK_SIZE];
	struct superblock older = sample(), newer = sample(), got;
	struct err err = { 0 };
	int chosen;

	newer.sequence = older.sequence + 1;
	superblock_encode(&older, slot[0]);
	superblock_encode(&newer, slot[1]);
	assert_int_equal(superblock_choose(slot[0], slot[1], &got, &chosen, NULL), 0);
	assert_int_equal(chosen, 1);
	assert_int_equal(superblock_choose(slot[1], slot[0], &got, &chosen, NULL), 0);
	assert_int_equal(chosen, 0);
	assert_int_equal(got.sequence, newer.sequence);

	memset(slot[1] + 512, 0, 3584); /* torn */
	assert_int_equal(superblock_choose(slot[0], slot[1], &got, &chosen, NULL), 0);
	assert_int_equal(chosen, 0);
	assert_int_equal(got.sequence, older.sequence);

	memset(slot[0], 0, SUPERBLOCK_SIZE);
	assert_int_equal(superblock_choose(slot[0], slot[1], &got, &chosen, &err), -POD_E_CORRUPT);
	assert_non_null(strstr(err.text, "unreadable"));
}

static void one_slot_of_a_newer_podmail_keeps_us_from_using_the_other(void **state)
{
	uint8_t slot[2][SUPERBLOCK_SIZE];
	struct superblock s = sample(), got;
	struct err err = { 0 };
	int chosen;

	superblock_encode(&s, slot[0]);
	superblock_encode(&s, slot[1]);
	le_put32(slot[1] + 8, SUPERBLOCK_VERSION + 1);
	seal(slot[1]);
	assert_int_equal(superblock_choose(slot[0], slot[1], &got, &chosen, &err), -POD_E_VERSION);
	assert_non_null(strstr(err.text, "format 3"));
}

static void a_superblock_of_before_long_writes_went_to_the_image_is_read(void **state)
{
	uint8_t block[SUPERBLOCK_SIZE];
	struct superblock s = sample(), got;

	s.n_torn = 0;
	s.torn_to_lsn = 0;
	s.generations[0].id = 5 | GENERATION_RECOVERED; /* a bit like any other then */
	superblock_encode(&s, block);
	le_put32(block + 8, 1);
	seal(block);
	assert_int_equal(superblock_decode(block, &got, NULL), 0);
	assert_int_equal(got.n_torn, 0);
	assert_int_equal(got.generations[0].id, 5);
}

static void torn_parts_outside_of_any_volume_are_refused(void **state)
{
	static const struct torn cases[] = {
		{ 0, 0 }, { 100, 4096 }, { 0, 100 }, { RECORD_VOLUME_MAX, 4096 }, { 4096, RECORD_VOLUME_MAX },
	};
	uint8_t block[SUPERBLOCK_SIZE];
	struct superblock s = sample(), got;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		s.torn[1] = cases[i];
		superblock_encode(&s, block);
		assert_int_equal(superblock_decode(block, &got, NULL), -POD_E_CORRUPT);
	}
	s.torn[1] = (struct torn){ 0, 4096 };
	superblock_encode(&s, block);
	assert_int_equal(superblock_decode(block, &got, NULL), 0);
	le_put64(block + 776, TORN_MAX + 1);
	seal(block);
	assert_int_equal(superblock_decode(block, &got, NULL), -POD_E_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_superblock_comes_back_as_it_was),
		cmocka_unit_test(any_flipped_bit_is_noticed),
		cmocka_unit_test(nonsense_with_a_right_checksum_is_refused),
		cmocka_unit_test(the_newer_whole_slot_is_chosen),
		cmocka_unit_test(one_slot_of_a_newer_podmail_keeps_us_from_using_the_other),
		cmocka_unit_test(a_superblock_of_before_long_writes_went_to_the_image_is_read),
		cmocka_unit_test(torn_parts_outside_of_any_volume_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
