#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/id.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/sync/client.h"
#include "imapd/eas/sync/look.h"

/* ---- moving ---- */

/*
 * A uid of a mailbox is never used again, so that what a device moved once it did not move twice: the
 * request's id is made of that, and the store answers a repeated one as the first time. -POD_E_NOMEM.
 */
static int move_id(const struct eas_request *rq, const struct eas_sync_folder *from, uint32_t uid,
                   const struct eas_sync_folder *to, struct guid *ret_id)
{
	const char *text = arena_printf(rq->a, "move %s %s %u %u %s", rq->device_id, from->place.folder_id,
	                                from->uidvalidity, uid, to->place.folder_id);
	XXH128_canonical_t sum;

	_Static_assert(sizeof(sum) == ID_SIZE, "an id is a sum");
	if (!text)
		return -POD_E_NOMEM;
	XXH128_canonicalFromHash(&sum, XXH3_128bits(text, strlen(text)));
	memcpy(ret_id->b, &sum, ID_SIZE);
	return 0;
}

static int copy(struct eas_request *rq, Podstore__Copy *m, const Podstore__CopyReply **ret, struct err *err)
{
	const ProtobufCMessage *reply = NULL;
	int r = account_call(rq->account, rq->a, STORE_COPY, &m->base, &reply, err);

	if (r == 0)
		*ret = (const Podstore__CopyReply *) reply;
	return r;
}

int eas_client_move(struct eas_request *rq, const struct eas_sync_folder *from, uint32_t uid,
                    const struct eas_sync_folder *to, uint32_t *ret_uid, struct err *err)
{
	Podstore__Copy m = PODSTORE__COPY__INIT;
	const Podstore__CopyReply *reply = NULL;
	struct guid id;
	int r = move_id(rq, from, uid, to, &id);

	m.mailbox = from->place.mailbox;
	m.uids = eas_look_ranges(rq->a, &uid, 1, &m.n_uids);
	m.target = (char *) (uintptr_t) to->place.name;
	m.move = true;
	m.copy_id = (ProtobufCBinaryData){ ID_SIZE, id.b };
	r = r == 0 && m.uids ? copy(rq, &m, &reply, err) : err_set(err, POD_E_NOMEM, "move");
	if (r == 0 && reply->n_target == 0)
		r = err_set(err, POD_E_NOTFOUND, "the message is no more");
	if (r == 0)
		*ret_uid = reply->target[0]->first;
	return r;
}

/* ---- deleting ---- */

static int move_away(struct eas_request *rq, const struct eas_sync_folder *from,
                     const struct eas_sync_folder *to, Podstore__UidRange **ranges, size_t n, struct err *err)
{
	Podstore__Copy m = PODSTORE__COPY__INIT;
	const Podstore__CopyReply *reply;

	m.mailbox = from->place.mailbox;
	m.uids = ranges;
	m.n_uids = n;
	m.target = (char *) (uintptr_t) to->place.name;
	m.move = true;
	return copy(rq, &m, &reply, err);
}

static int expunge(struct eas_request *rq, const struct eas_sync_folder *from, Podstore__UidRange **ranges,
                   size_t n, struct err *err)
{
	Podstore__StoreFlags flags = PODSTORE__STORE_FLAGS__INIT;
	Podstore__Expunge m = PODSTORE__EXPUNGE__INIT;
	int r;

	flags.mailbox = m.mailbox = from->place.mailbox;
	flags.uids = m.uids = ranges;
	flags.n_uids = m.n_uids = n;
	flags.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	flags.flags = STORE_FLAG_DELETED;
	r = account_call(rq->account, rq->a, STORE_STORE_FLAGS, &flags.base, NULL, err);
	return r < 0 ? r : account_call(rq->account, rq->a, STORE_EXPUNGE, &m.base, NULL, err);
}

int eas_client_delete(struct eas_request *rq, struct arena *a, const struct eas_sync_folders *folders,
                      const struct eas_sync_folder *from, bool as_moves, const uint32_t *uids, size_t n,
                      struct err *err)
{
	struct eas_sync_folder trash;
	size_t ranges_n = 0;
	Podstore__UidRange **ranges = eas_look_ranges(a, uids, n, &ranges_n);

	if (!ranges)
		return err_set(err, POD_E_NOMEM, "delete");
	if (as_moves && eas_sync_folders_trash(rq, folders, &trash) == 0 &&
	    trash.place.mailbox != from->place.mailbox)
		return move_away(rq, from, &trash, ranges, ranges_n, err);
	return expunge(rq, from, ranges, ranges_n, err);
}
