#include "replicator/core/record.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/crc32c.h"
#include "base/le.h"

enum {
	AT_MAGIC = 0,
	AT_TYPE = 4,
	AT_FLAGS = 5,
	AT_ZERO = 6,
	AT_PAYLOAD_SIZE = 8,
	AT_PREVIOUS_CRC = 12,
	AT_LSN = 16,
	AT_OFFSET = 24,
	AT_LENGTH = 32,
	AT_EPOCH = 40,
	AT_PAYLOAD_HASH = 48,
	AT_ZERO2 = 56,
	AT_CRC = 60,
};

void record_encode(struct record *r, uint8_t *header)
{
	le_put32(header + AT_MAGIC, RECORD_MAGIC);
	header[AT_TYPE] = (uint8_t) r->type;
	header[AT_FLAGS] = r->flags;
	le_put16(header + AT_ZERO, 0);
	le_put32(header + AT_PAYLOAD_SIZE, r->payload_size);
	le_put32(header + AT_PREVIOUS_CRC, r->previous_crc);
	le_put64(header + AT_LSN, r->lsn);
	le_put64(header + AT_OFFSET, r->offset);
	le_put64(header + AT_LENGTH, r->length);
	le_put64(header + AT_EPOCH, r->epoch);
	le_put64(header + AT_PAYLOAD_HASH, r->payload_hash);
	le_put32(header + AT_ZERO2, 0);
	r->crc = crc32c(header, AT_CRC);
	le_put32(header + AT_CRC, r->crc);
}

/* Its crc is known to be right. */
static void get(const uint8_t *header, struct record *r)
{
	r->type = (enum record_type) header[AT_TYPE];
	r->flags = header[AT_FLAGS];
	r->payload_size = le_get32(header + AT_PAYLOAD_SIZE);
	r->previous_crc = le_get32(header + AT_PREVIOUS_CRC);
	r->crc = le_get32(header + AT_CRC);
	r->lsn = le_get64(header + AT_LSN);
	r->offset = le_get64(header + AT_OFFSET);
	r->length = le_get64(header + AT_LENGTH);
	r->epoch = le_get64(header + AT_EPOCH);
	r->payload_hash = le_get64(header + AT_PAYLOAD_HASH);
}

static bool whole(const uint8_t *header)
{
	return le_get32(header + AT_MAGIC) == RECORD_MAGIC &&
	       le_get32(header + AT_CRC) == crc32c(header, AT_CRC);
}

bool record_stands(const uint8_t *header, uint64_t lsn, uint64_t *ret_epoch)
{
	if (!whole(header) || le_get64(header + AT_LSN) != lsn)
		return false;
	*ret_epoch = le_get64(header + AT_EPOCH);
	return true;
}

bool record_peek(const uint8_t *header, uint64_t lsn, struct record *ret)
{
	if (!whole(header) || le_get64(header + AT_LSN) != lsn)
		return false;
	get(header, ret);
	return true;
}

static bool extent_fits(const struct record *r, uint64_t volume_size)
{
	return r->offset % RECORD_BLOCK == 0 && r->length % RECORD_BLOCK == 0 && r->length > 0 &&
	       r->offset < volume_size && r->length <= volume_size - r->offset;
}

static const char *complaint(const struct record *r, uint64_t volume_size)
{
	if (r->flags & ~RECORD_ALIGNED || (r->flags && r->type != RECORD_WRITE))
		return "unknown flags";
	switch (r->type) {
	case RECORD_WRITE:
		if (!extent_fits(r, volume_size))
			return "extent is not within the volume";
		return r->payload_size == r->length && r->length <= RECORD_PAYLOAD_MAX ? NULL
		                                                                       : "payload's size";
	case RECORD_ZERO:
	case RECORD_TRIM:
		if (!extent_fits(r, volume_size))
			return "extent is not within the volume";
		return r->payload_size == 0 ? NULL : "payload where none may be";
	case RECORD_COMMIT:
		return r->payload_size == 0 && r->length == 0 ? NULL : "payload where none may be";
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_DELETE:
		return r->payload_size == RECORD_NAME_MAX && r->length == 0 ? NULL : "payload's size";
	case RECORD_RESIZE:
		if (r->payload_size != 0 || r->length != 0)
			return "payload where none may be";
		return r->offset > volume_size && r->offset % RECORD_VOLUME_UNIT == 0 &&
		                       r->offset <= RECORD_VOLUME_MAX
		               ? NULL
		               : "new size";
	case RECORD_TYPES: break;
	}
	return "unknown type";
}

int record_decode(const uint8_t *header, uint64_t lsn, uint32_t previous_crc, uint64_t volume_size,
                  struct record *ret, struct err *err)
{
	struct record r;
	const char *what;

	if (!whole(header))
		return err_set(err, POD_E_NOTFOUND, "no record at LSN %" PRIu64, lsn);
	get(header, &r);
	if (r.lsn != lsn || r.previous_crc != previous_crc)
		return err_set(err, POD_E_NOTFOUND, "no record of this log at LSN %" PRIu64, lsn);
	what = complaint(&r, volume_size);
	if (what)
		return err_set(err, POD_E_CORRUPT, "record of type %d at LSN %" PRIu64 ": %s", (int) r.type,
		               lsn, what);
	*ret = r;
	return 0;
}

uint64_t record_hash(const void *payload, size_t size)
{
	return XXH3_64bits(payload, size);
}

static uint64_t align_up(uint64_t lsn)
{
	return (lsn + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

uint64_t record_data(const struct record *r)
{
	return r->flags & RECORD_ALIGNED ? align_up(r->lsn + RECORD_NOTE_SIZE) : r->lsn + RECORD_HEADER_SIZE;
}

uint64_t record_next(const struct record *r)
{
	uint64_t end = record_data(r) + r->payload_size;

	return r->type == RECORD_COMMIT ? align_up(end) : end;
}

static const uint8_t placed[8] = "PLACED1";

void record_note_placed(uint8_t *bytes)
{
	memcpy(bytes + RECORD_HEADER_SIZE, placed, sizeof(placed));
}

void record_note_clear(uint8_t *bytes)
{
	memset(bytes + RECORD_HEADER_SIZE, 0, RECORD_NOTE_SIZE - RECORD_HEADER_SIZE);
}

bool record_is_noted(const struct record *r, const uint8_t *bytes)
{
	return r->flags & RECORD_ALIGNED && memcmp(bytes + RECORD_HEADER_SIZE, placed, sizeof(placed)) == 0;
}

bool record_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= RECORD_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name[i]))
			return false;
	return true;
}

void record_name_put(const char *name, uint8_t payload[RECORD_NAME_MAX])
{
	memset(payload, 0, RECORD_NAME_MAX);
	memcpy(payload, name, strnlen(name, RECORD_NAME_MAX - 1));
}

bool record_name_get(const uint8_t payload[RECORD_NAME_MAX], char ret_name[RECORD_NAME_MAX])
{
	char name[RECORD_NAME_MAX];

	memcpy(name, payload, RECORD_NAME_MAX);
	if (name[RECORD_NAME_MAX - 1] != '\0' || !record_name_ok(name))
		return false;
	memcpy(ret_name, name, RECORD_NAME_MAX);
	return true;
}
