/* A superblock as a damaged disk may have it; with the first byte odd its checksum is made right. */
#include <assert.h>
#include <string.h>

#include "base/le.h"
#include "replicator/core/record.h"
#include "replicator/core/superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t block[SUPERBLOCK_SIZE] = { 0 }, again[SUPERBLOCK_SIZE];
	struct superblock s, other;
	int slot;

	if (len < 1)
		return 0;
	memcpy(block, data + 1, len - 1 < sizeof(block) ? len - 1 : sizeof(block));
	if (data[0] & 1)
		le_put64(block + SUPERBLOCK_SIZE - 8, record_hash(block, SUPERBLOCK_SIZE - 8));
	if (superblock_decode(block, &s, NULL) == 0) {
		assert(s.tail_lsn >= s.log_first_lsn && s.tail_lsn - s.log_first_lsn <= s.log_bytes);
		superblock_encode(&s, again);
		assert(superblock_decode(again, &other, NULL) == 0);
		assert(superblock_choose(block, again, &other, &slot, NULL) == 0);
	}
	return 0;
}
