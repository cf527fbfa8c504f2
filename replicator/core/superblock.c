#include "replicator/core/superblock.h"

#include <string.h>

#include "base/le.h"
#include "replicator/core/record.h"

enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_SEQUENCE = 16,
	AT_VOLUME_ID = 24,
	AT_REPLICA_ID = 40,
	AT_STAGE_ID = 56,
	AT_SIZE_BYTES = 64,
	AT_LOG_BYTES = 72,
	AT_ROLE = 80,
	AT_FLAGS = 84,
	AT_TOKEN = 88,
	AT_TAIL_LSN = 96,
	AT_TAIL_EPOCH = 104,
	AT_TAIL_PREVIOUS_CRC = 112,
	AT_CONSISTENT_FROM = 120,
	AT_GENERATIONS = 128,
	GENERATION_SIZE = 16,
	AT_PEERS = AT_GENERATIONS + GENERATIONS_MAX * GENERATION_SIZE,
	PEER_SIZE = PEER_NAME_SIZE + 24,
	AT_LOG_FIRST = AT_PEERS + PEERS_MAX * PEER_SIZE,
	AT_GROUP_FROM = AT_LOG_FIRST + 8,
	AT_GROUP_TO = AT_GROUP_FROM + 8,
	AT_OWN_TOKEN = AT_GROUP_TO + 8,
	AT_TORN_TO = AT_OWN_TOKEN + 8,
	AT_N_TORN = AT_TORN_TO + 8,
	AT_TORN = AT_N_TORN + 8,
	TORN_SIZE = 16,
	AT_END = AT_TORN + TORN_MAX * TORN_SIZE,
	AT_HASH = SUPERBLOCK_SIZE - 8,
};
_Static_assert((int) AT_END <= (int) AT_HASH, "the superblock is one block");

#define MAGIC                 "PLSUPER1"
#define FLAG_RESYNC_UNDER_WAY 1u
#define FLAG_IN_BITMAP        1u

static void put_peer(const struct peer_record *p, uint8_t *at)
{
	memcpy(at, p->name, strnlen(p->name, PEER_NAME_SIZE - 1));
	le_put64(at + PEER_NAME_SIZE, p->needs_lsn);
	le_put64(at + PEER_NAME_SIZE + 8, p->base_lsn);
	le_put32(at + PEER_NAME_SIZE + 16, p->in_bitmap ? FLAG_IN_BITMAP : 0);
}

void superblock_encode(const struct superblock *s, uint8_t block[SUPERBLOCK_SIZE])
{
	memset(block, 0, SUPERBLOCK_SIZE);
	memcpy(block + AT_MAGIC, MAGIC, sizeof(MAGIC) - 1);
	le_put32(block + AT_VERSION, SUPERBLOCK_VERSION);
	le_put64(block + AT_SEQUENCE, s->sequence);
	memcpy(block + AT_VOLUME_ID, s->volume_id, sizeof(s->volume_id));
	memcpy(block + AT_REPLICA_ID, s->replica_id, sizeof(s->replica_id));
	le_put64(block + AT_STAGE_ID, s->stage_id);
	le_put64(block + AT_SIZE_BYTES, s->size_bytes);
	le_put64(block + AT_LOG_BYTES, s->log_bytes);
	le_put32(block + AT_ROLE, (uint32_t) s->role);
	le_put32(block + AT_FLAGS, s->resync_under_way ? FLAG_RESYNC_UNDER_WAY : 0);
	le_put64(block + AT_TOKEN, s->token);
	le_put64(block + AT_TAIL_LSN, s->tail_lsn);
	le_put64(block + AT_TAIL_EPOCH, s->tail_epoch);
	le_put32(block + AT_TAIL_PREVIOUS_CRC, s->tail_previous_crc);
	le_put64(block + AT_CONSISTENT_FROM, s->consistent_from_lsn);
	for (size_t i = 0; i < GENERATIONS_MAX; i++) {
		le_put64(block + AT_GENERATIONS + i * GENERATION_SIZE, s->generations[i].id);
		le_put64(block + AT_GENERATIONS + i * GENERATION_SIZE + 8, s->generations[i].end);
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		put_peer(&s->peers[i], block + AT_PEERS + i * PEER_SIZE);
	le_put64(block + AT_LOG_FIRST, s->log_first_lsn);
	le_put64(block + AT_GROUP_FROM, s->group_from_lsn);
	le_put64(block + AT_GROUP_TO, s->group_to_lsn);
	le_put64(block + AT_OWN_TOKEN, s->own_token);
	le_put64(block + AT_TORN_TO, s->torn_to_lsn);
	le_put64(block + AT_N_TORN, s->n_torn);
	for (size_t i = 0; i < s->n_torn; i++) {
		le_put64(block + AT_TORN + i * TORN_SIZE, s->torn[i].offset);
		le_put64(block + AT_TORN + i * TORN_SIZE + 8, s->torn[i].length);
	}
	le_put64(block + AT_HASH, record_hash(block, AT_HASH));
}

static void get_peer(const uint8_t *at, struct peer_record *p)
{
	memcpy(p->name, at, PEER_NAME_SIZE);
	p->needs_lsn = le_get64(at + PEER_NAME_SIZE);
	p->base_lsn = le_get64(at + PEER_NAME_SIZE + 8);
	p->in_bitmap = le_get32(at + PEER_NAME_SIZE + 16) & FLAG_IN_BITMAP;
}

static void get(const uint8_t *block, struct superblock *s)
{
	s->sequence = le_get64(block + AT_SEQUENCE);
	memcpy(s->volume_id, block + AT_VOLUME_ID, sizeof(s->volume_id));
	memcpy(s->replica_id, block + AT_REPLICA_ID, sizeof(s->replica_id));
	s->stage_id = le_get64(block + AT_STAGE_ID);
	s->size_bytes = le_get64(block + AT_SIZE_BYTES);
	s->log_bytes = le_get64(block + AT_LOG_BYTES);
	s->role = (enum replica_role) le_get32(block + AT_ROLE);
	s->resync_under_way = le_get32(block + AT_FLAGS) & FLAG_RESYNC_UNDER_WAY;
	s->token = le_get64(block + AT_TOKEN);
	s->tail_lsn = le_get64(block + AT_TAIL_LSN);
	s->tail_epoch = le_get64(block + AT_TAIL_EPOCH);
	s->tail_previous_crc = le_get32(block + AT_TAIL_PREVIOUS_CRC);
	s->consistent_from_lsn = le_get64(block + AT_CONSISTENT_FROM);
	for (size_t i = 0; i < GENERATIONS_MAX; i++) {
		s->generations[i].id = le_get64(block + AT_GENERATIONS + i * GENERATION_SIZE);
		s->generations[i].end = le_get64(block + AT_GENERATIONS + i * GENERATION_SIZE + 8);
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		get_peer(block + AT_PEERS + i * PEER_SIZE, &s->peers[i]);
	s->log_first_lsn = le_get64(block + AT_LOG_FIRST);
	s->group_from_lsn = le_get64(block + AT_GROUP_FROM);
	s->group_to_lsn = le_get64(block + AT_GROUP_TO);
	s->own_token = le_get64(block + AT_OWN_TOKEN);
	s->torn_to_lsn = le_get64(block + AT_TORN_TO);
	for (size_t i = 0; le_get32(block + AT_VERSION) == 1 && i < GENERATIONS_MAX; i++)
		s->generations[i].id &= ~GENERATION_RECOVERED; /* format 1 had all bits random */
	s->n_torn = le_get64(block + AT_N_TORN);
	for (size_t i = 0; i < s->n_torn && i < TORN_MAX; i++) {
		s->torn[i].offset = le_get64(block + AT_TORN + i * TORN_SIZE);
		s->torn[i].length = le_get64(block + AT_TORN + i * TORN_SIZE + 8);
	}
}

static bool torn_fits(const struct superblock *s)
{
	if (s->n_torn > TORN_MAX)
		return false;
	for (size_t i = 0; i < s->n_torn; i++) {
		const struct torn *t = &s->torn[i];

		if (t->offset % RECORD_BLOCK != 0 || t->length % RECORD_BLOCK != 0 || t->length == 0 ||
		    t->offset >= RECORD_VOLUME_MAX || t->length > RECORD_VOLUME_MAX - t->offset)
			return false;
	}
	return true;
}

/* What would make its reader do wrong although the checksum is right. */
static const char *complaint(const struct superblock *s)
{
	if (s->role != ROLE_SECONDARY && s->role != ROLE_PRIMARY)
		return "unknown role";
	if (s->size_bytes == 0 || s->size_bytes % RECORD_VOLUME_UNIT != 0 ||
	    s->size_bytes > RECORD_VOLUME_MAX)
		return "size of the volume";
	if (s->log_bytes < LOG_BYTES_MIN || s->log_bytes % LOG_BYTES_UNIT != 0 ||
	    s->log_bytes > LOG_BYTES_MAX)
		return "size of the log";
	if (s->tail_lsn < RECORD_ALIGN || s->tail_lsn % RECORD_ALIGN != 0)
		return "tail of the log";
	if (s->log_first_lsn < RECORD_ALIGN || s->log_first_lsn % RECORD_ALIGN != 0 ||
	    s->log_first_lsn > s->tail_lsn || s->tail_lsn - s->log_first_lsn > s->log_bytes)
		return "first of the log";
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (s->peers[i].name[PEER_NAME_SIZE - 1] != '\0')
			return "name of a peer";
	if (!torn_fits(s))
		return "torn parts of the image";
	return NULL;
}

int superblock_decode(const uint8_t block[SUPERBLOCK_SIZE], struct superblock *ret, struct err *err)
{
	struct superblock s = { 0 };
	const char *what;

	if (memcmp(block + AT_MAGIC, MAGIC, sizeof(MAGIC) - 1) != 0)
		return err_set(err, POD_E_CORRUPT, "superblock: not one");
	if (le_get64(block + AT_HASH) != record_hash(block, AT_HASH))
		return err_set(err, POD_E_CORRUPT, "superblock: checksum does not match");
	if (le_get32(block + AT_VERSION) == 0 || le_get32(block + AT_VERSION) > SUPERBLOCK_VERSION)
		return err_set(err, POD_E_VERSION, "superblock: format %u, this podmail knows %u",
		               le_get32(block + AT_VERSION), SUPERBLOCK_VERSION);
	get(block, &s);
	what = complaint(&s);
	if (what)
		return err_set(err, POD_E_CORRUPT, "superblock: %s", what);
	*ret = s;
	return 0;
}

int superblock_choose(const uint8_t *slot0, const uint8_t *slot1, struct superblock *ret, int *ret_slot,
                      struct err *err)
{
	struct superblock s[2];
	struct err errs[2] = { 0 };
	int r0 = superblock_decode(slot0, &s[0], &errs[0]);
	int r1 = superblock_decode(slot1, &s[1], &errs[1]);
	int slot;

	if (r0 == -POD_E_VERSION || r1 == -POD_E_VERSION)
		return err_set(err, POD_E_VERSION, "%s", err_text(&errs[r0 == -POD_E_VERSION ? 0 : 1]));
	if (r0 < 0 && r1 < 0)
		return err_set(err, POD_E_CORRUPT, "both are unreadable: %s; %s", err_text(&errs[0]),
		               err_text(&errs[1]));
	if (r0 == 0 && r1 == 0)
		slot = s[1].sequence > s[0].sequence;
	else
		slot = r0 < 0;
	*ret = s[slot];
	*ret_slot = slot;
	return 0;
}
