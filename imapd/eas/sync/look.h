/* Asking the store what is in a folder, for the engine. Functions suspend. */
#ifndef POD_IMAPD_EAS_SYNC_LOOK_H
#define POD_IMAPD_EAS_SYNC_LOOK_H

#include "imapd/eas/sync/engine.h"
#include "imapd/eas/sync/folders.h"

/*
 * Brings a generation up to the present: by what changed since its watermark or, where nothing is known or
 * the window is another, by a look at all messages. *ret_rows: how many rows that took. -POD_E_NOTFOUND: the
 * folder is gone.
 */
int eas_look_refresh(struct eas_request *rq, const struct eas_sync_folder *folder, struct eas_generation *g,
                     unsigned int filter, size_t *ret_rows, struct err *err);

/* Messages of a plan, each found by its uid; those that are no more are not in it. All in the arena. */
struct eas_look_row {
	struct eas_item item;
	uint64_t modseq;
};
struct eas_look_rows {
	struct eas_look_row *rows; /* by uid */
	size_t n;
};
/* uids: in any order. columns: of EAS_ITEM_COLUMNS. */
int eas_look_rows(struct eas_request *rq, struct arena *a, const struct eas_item_place *place,
                  const uint32_t *uids, size_t n, uint32_t columns, struct eas_look_rows *ret,
                  struct err *err);
const struct eas_look_row *eas_look_find(const struct eas_look_rows *rows, uint32_t uid);

/* Ranges of uids for a request, ascending; NULL where memory is out. */
Podstore__UidRange **eas_look_ranges(struct arena *a, const uint32_t *uids, size_t n, size_t *ret_n);

#endif
