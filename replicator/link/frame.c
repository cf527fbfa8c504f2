#include "replicator/link/frame.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "replicator/core/record.h"

struct type_row {
	const char *name, *from;
	uint32_t least, most;
};

static const struct type_row types[] = {
#define X(name, number, from, least, most) [number] = { #name, from, least, most },
	FRAME_TYPES(X)
#undef X
};

/* Flags that a type may have; the others have to be clear. */
static uint8_t flags_of(enum frame_type type)
{
	switch (type) {
	case FRAME_LOG: return FRAME_LZ4 | FRAME_ZSTD | FRAME_SHORT | FRAME_REPLY | FRAME_OWN | FRAME_MORE;
	case FRAME_HASHES:
	case FRAME_DIFFERS: return FRAME_CHECK;
	case FRAME_CHUNK: return FRAME_LZ4 | FRAME_ZSTD | FRAME_ZERO | FRAME_CHECK;
	case FRAME_CHUNK_DURABLE: return FRAME_CHECK;
	case FRAME_TAIL: return FRAME_LAST;
	default: return 0;
	}
}

static const struct type_row *row_of(unsigned int type)
{
	return type < sizeof(types) / sizeof(types[0]) && types[type].name ? &types[type] : NULL;
}

void frame_encode(const struct frame *f, uint8_t *header)
{
	memset(header, 0, FRAME_HEADER_SIZE);
	le_put32(header, FRAME_MAGIC);
	header[4] = (uint8_t) f->type;
	header[5] = f->flags;
	le_put32(header + 8, f->size);
	le_put32(header + 12, f->raw_size);
	le_put64(header + 16, f->sequence);
	le_put64(header + 24, f->payload_hash);
	le_put32(header + 36, crc32c(header, 36));
}

static int check_sizes(const struct frame *f, const struct type_row *row, struct err *err)
{
	unsigned int packed = f->flags & (FRAME_LZ4 | FRAME_ZSTD | FRAME_SHORT);

	if (f->raw_size < row->least || f->raw_size > row->most || f->size > FRAME_PAYLOAD_MAX ||
	    (packed & (packed - 1)) != 0 || (packed ? f->size >= f->raw_size : f->size != f->raw_size))
		return err_set(err, POD_E_PROTOCOL, "a %s frame of %u bytes (%u unpacked)", row->name,
		               f->size, f->raw_size);
	return 0;
}

int frame_decode(const uint8_t *header, uint64_t sequence, struct frame *ret, struct err *err)
{
	struct frame f = {
		.type = (enum frame_type) header[4],
		.flags = header[5],
		.size = le_get32(header + 8),
		.raw_size = le_get32(header + 12),
		.sequence = le_get64(header + 16),
		.payload_hash = le_get64(header + 24),
	};
	const struct type_row *row = row_of(header[4]);
	int r;

	if (le_get32(header) != FRAME_MAGIC || le_get32(header + 36) != crc32c(header, 36))
		return err_set(err, POD_E_PROTOCOL, "what came is no frame, or damaged");
	if (!row)
		return err_set(err, POD_E_VERSION, "a frame of unknown type %u", header[4]);
	if (le_get16(header + 6) != 0 || le_get32(header + 32) != 0 || (f.flags & ~flags_of(f.type)) != 0)
		return err_set(err, POD_E_PROTOCOL, "a %s frame with unknown flags", row->name);
	if (f.flags & FRAME_OWN && (f.flags & (FRAME_LZ4 | FRAME_ZSTD) || f.payload_hash != 0))
		return err_set(err, POD_E_PROTOCOL, "a %s frame with a checksum too many", row->name);
	if (f.sequence != sequence)
		return err_set(err, POD_E_PROTOCOL, "a %s frame out of order", row->name);
	r = check_sizes(&f, row, err);
	if (r == 0)
		*ret = f;
	return r;
}

uint64_t frame_hash(const void *payload, size_t size)
{
	return record_hash(payload, size);
}

const char *frame_name(enum frame_type type)
{
	const struct type_row *row = row_of(type);

	return row ? row->name : "?";
}

bool frame_is_from(enum frame_type type, enum replica_role role)
{
	const struct type_row *row = row_of(type);

	return row && strchr(row->from, role == ROLE_PRIMARY ? 'p' : 's');
}

/* ---- payloads ---- */

static void generations_encode(const struct generation list[GENERATIONS_MAX], uint8_t *p)
{
	for (size_t i = 0; i < GENERATIONS_MAX; i++, p += 16) {
		le_put64(p, list[i].id);
		le_put64(p + 8, list[i].end);
	}
}

static void generations_decode(const uint8_t *p, struct generation list[GENERATIONS_MAX])
{
	for (size_t i = 0; i < GENERATIONS_MAX; i++, p += 16)
		list[i] = (struct generation){ .id = le_get64(p), .end = le_get64(p + 8) };
}

/* 0 u32 oldest version (alone, to who knows of no range), 4 features, 8 u16 flags, 10 u8 oldest, 11 u8 newest
 * version, 12 role, 16 volume_id, 32 site, 96 token, 104 size, 112 durable, 120 epoch, 128 consistent_from,
 * 136 generations (16 x id, end) */
void hello_encode(const struct hello *h, uint8_t payload[HELLO_SIZE])
{
	memset(payload, 0, HELLO_SIZE);
	le_put32(payload, h->oldest);
	le_put32(payload + 4, h->features);
	le_put16(payload + 8, (uint16_t) h->flags);
	payload[10] = h->oldest;
	payload[11] = h->newest;
	le_put32(payload + 12, (uint32_t) h->role);
	memcpy(payload + 16, h->volume_id, sizeof(h->volume_id));
	memcpy(payload + 32, h->site, strnlen(h->site, PEER_NAME_SIZE - 1));
	le_put64(payload + 96, h->token);
	le_put64(payload + 104, h->size_bytes);
	le_put64(payload + 112, h->durable_lsn);
	le_put64(payload + 120, h->epoch);
	le_put64(payload + 128, h->consistent_from_lsn);
	generations_encode(h->generations, payload + 136);
}

/* The range; one that says none, as before there were ranges, speaks the one version that it names. */
static int versions_decode(const uint8_t *payload, struct hello *h, struct err *err)
{
	uint32_t alone = le_get32(payload);

	h->oldest = payload[11] ? payload[10] : (uint8_t) (alone < UINT8_MAX ? alone : UINT8_MAX);
	h->newest = payload[11] ? payload[11] : h->oldest;
	if (h->oldest == 0 || h->oldest > h->newest)
		return err_set(err, POD_E_PROTOCOL, "a hello with versions %u to %u", h->oldest, h->newest);
	return 0;
}

static int versions_agree(const struct hello *ours, const struct hello *theirs, unsigned int *ret_version,
                          struct err *err)
{
	bool they_are_old = theirs->newest < ours->oldest;

	if (they_are_old || ours->newest < theirs->oldest)
		return err_set(err, POD_E_VERSION,
		               "the replication links of %s (versions %u to %u) and %s (%u to %u) have no "
		               "version in "
		               "common: upgrade podmail at %s",
		               ours->site, ours->oldest, ours->newest, theirs->site, theirs->oldest,
		               theirs->newest, they_are_old ? theirs->site : ours->site);
	*ret_version = ours->newest < theirs->newest ? ours->newest : theirs->newest;
	return 0;
}

int hello_decode(const uint8_t payload[HELLO_SIZE], const struct hello *ours, struct hello *ret,
                 unsigned int *ret_version, struct err *err)
{
	struct hello h = {
		.features = le_get32(payload + 4),
		.flags = le_get16(payload + 8),
		.token = le_get64(payload + 96),
		.size_bytes = le_get64(payload + 104),
		.durable_lsn = le_get64(payload + 112),
		.epoch = le_get64(payload + 120),
		.consistent_from_lsn = le_get64(payload + 128),
	};
	uint32_t role = le_get32(payload + 12);
	int r = versions_decode(payload, &h, err);

	if (r < 0)
		return r;
	if (!memchr(payload + 32, '\0', PEER_NAME_SIZE) || payload[32] == '\0')
		return err_set(err, POD_E_PROTOCOL, "a hello without a site's name");
	memcpy(h.site, payload + 32, PEER_NAME_SIZE);
	r = versions_agree(ours, &h, ret_version, err);
	if (r < 0)
		return r;
	if (role > ROLE_PRIMARY)
		return err_set(err, POD_E_PROTOCOL, "a hello with role %u", role);
	h.role = (enum replica_role) role;
	memcpy(h.volume_id, payload + 16, sizeof(h.volume_id));
	generations_decode(payload + 136, h.generations);
	*ret = h;
	return 0;
}

/* 0 u32 kind, 4 u32 orphan, 8 u64 lsn, 16 u64 zero, 24 generations */
void start_encode(const struct start *s, uint8_t payload[START_SIZE])
{
	memset(payload, 0, START_SIZE);
	le_put32(payload, (uint32_t) s->kind);
	le_put32(payload + 4, s->orphan);
	le_put64(payload + 8, s->lsn);
	generations_encode(s->generations, payload + 24);
}

int start_decode(const uint8_t payload[START_SIZE], struct start *ret, struct err *err)
{
	uint32_t kind = le_get32(payload), orphan = le_get32(payload + 4);

	if (kind < START_FOLLOW || kind > START_REWIND || orphan > 1)
		return err_set(err, POD_E_PROTOCOL, "a START of unknown kind %u", kind);
	*ret = (struct start){ .kind = (enum start_kind) kind,
		               .orphan = orphan == 1,
		               .lsn = le_get64(payload + 8) };
	generations_decode(payload + 24, ret->generations);
	return 0;
}
