#include "base/crc32c.h"

#include <endian.h>
#include <string.h>

/* Of four bits, reflected polynomial 0x82f63b78: small enough to be checked by eye, fast enough where it is
 * used. */
static const uint32_t nibbles[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p, size_t size)
{
	uint64_t wide = crc, eight;

	for (; size >= sizeof(eight); p += sizeof(eight), size -= sizeof(eight)) {
		memcpy(&eight, p, sizeof(eight));
		wide = __builtin_ia32_crc32di(wide, le64toh(eight));
	}
	crc = (uint32_t) wide;
	for (; size > 0; p++, size--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

static uint32_t crc_best(uint32_t crc, const uint8_t *p, size_t size)
{
	return __builtin_cpu_supports("sse4.2") ? crc_sse42(crc, p, size) : crc_portable(crc, p, size);
}
#else
static uint32_t crc_best(uint32_t crc, const uint8_t *p, size_t size)
{
	return crc_portable(crc, p, size);
}
#endif

uint32_t crc32c(const void *bytes, size_t size)
{
	return ~crc_best(UINT32_MAX, bytes, size);
}
