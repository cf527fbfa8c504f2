/* CRC-32C (Castagnoli, RFC 3720 B.4), with the processor's instruction where it has one. Pure. */
#ifndef POD_BASE_CRC32C_H
#define POD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t size);

#endif
