/* What a replica says of itself when it meets another. */
#include <string.h>

#include "base/le.h"
#include "replicator/link/link_internal.h"

void hello_make(struct replication *r, struct hello *ret)
{
	struct superblock sb;
	struct disk_cursors c;

	disk_superblock(r->disk, &sb);
	disk_cursors(r->disk, &c);
	*ret = (struct hello){
		.oldest = LINK_VERSION_OLDEST,
		.newest = LINK_VERSION,
		.features = LINK_FEATURE_LZ4 | LINK_FEATURE_OWN | LINK_FEATURE_MORE | LINK_FEATURE_ZSTD,
		.flags = (sb.resync_under_way ? HELLO_RESYNCING : 0) |
		         (sb.role == ROLE_PRIMARY ? HELLO_PRIMARY : 0),
		.token = sb.token,
		.size_bytes = disk_size(r->disk),
		.durable_lsn = c.durable,
		.epoch = c.epoch,
		.consistent_from_lsn = sb.consistent_from_lsn,
	};
	(void) pthread_mutex_lock(&r->lock);
	ret->role = r->role;
	(void) pthread_mutex_unlock(&r->lock);
	memcpy(ret->volume_id, sb.volume_id, sizeof(ret->volume_id));
	memcpy(ret->site, r->site, sizeof(ret->site));
	memcpy(ret->generations, sb.generations, sizeof(ret->generations));
}

/* ERROR: u32 code, then text. */
int hello_put_error(struct wire *w, int code, const char *text)
{
	uint8_t payload[4 + 250];
	size_t n = strnlen(text, sizeof(payload) - 4);

	le_put32(payload, (uint32_t) (code < 0 ? -code : code));
	memcpy(payload + 4, text, n);
	return wire_put(w, FRAME_ERROR, 0, payload, 4 + n);
}

int hello_take_error(const struct frame *f, struct err *err)
{
	uint32_t code = le_get32(f->payload);
	char text[251];

	memcpy(text, f->payload + 4, f->size - 4);
	text[f->size - 4] = '\0';
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return err_set(err, code > 0 && code < POD_E_END ? (enum pod_error) code : POD_E_INTERNAL,
	               "the peer says: %s", text);
}
