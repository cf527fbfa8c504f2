#include "imapd/eas/sync/fold.h"

#include "base/err.h"
#include "imapd/eas/sync/engine.h"
#include "storeproto/storeproto.h"

static void take_out(struct eas_generation *g, const struct eas_fold *f, bool *ret_had, uint32_t *ret_token)
{
	*ret_had = eas_uidset_get(&g->have, f->uid, ret_token);
	if (*ret_had)
		eas_engine_own_gone(g, f->uid);
}

/* Keywords are other bits in another mailbox. What the device has not heard, it is told where the message is
 * now. */
static uint32_t known_there(const struct eas_fold *f, uint32_t token)
{
	uint32_t has = eas_engine_token(f->to_flags);

	if (token == eas_engine_token(f->flags))
		return has;
	return (token & STORE_FLAGS_SYSTEM) | (has & ~STORE_FLAGS_SYSTEM) | EAS_TOKEN_STALE;
}

int eas_fold_out(struct eas_collection_state *from, const struct eas_fold *f, bool *ret_had,
                 uint32_t *ret_known)
{
	const struct eas_moved moved = { f->uid, f->to_uid, f->to_folder };
	uint32_t token = 0, unused;
	bool had, before;

	if (eas_collection_moved(from, &moved) < 0)
		return -POD_E_NOMEM;
	take_out(&from->now, f, &had, &token);
	if (from->has_before)
		take_out(&from->before, f, &before, &unused);
	*ret_had = had;
	*ret_known = known_there(f, token);
	return 0;
}

void eas_fold_in(struct eas_collection_state *to, const struct eas_fold *f, uint32_t known)
{
	uint32_t has = eas_engine_token(f->to_flags);

	eas_engine_own(&to->now, f->to_uid, known, has, 0);
	if (to->has_before)
		eas_engine_own(&to->before, f->to_uid, known, has, 0);
}
