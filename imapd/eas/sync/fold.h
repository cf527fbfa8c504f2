/*
 * A move that the device made itself, folded into its states of both folders, so that nothing of it comes
 * back: not as a Delete there, nor as an Add here. Pure.
 */
#ifndef POD_IMAPD_EAS_SYNC_FOLD_H
#define POD_IMAPD_EAS_SYNC_FOLD_H

#include "imapd/eas/state/collection.h"

struct eas_fold {
	uint32_t uid, flags; /* in the folder it left, before */
	uint32_t to_uid, to_flags;
	const char *to_folder;
};

/*
 * Out of the folder that it left, which remembers the move. *ret_had: the device had the message; *ret_known:
 * what it is taken to know of it where it is now. -POD_E_NOMEM.
 */
int eas_fold_out(struct eas_collection_state *from, const struct eas_fold *f, bool *ret_had,
                 uint32_t *ret_known);
/* Into the other one. */
void eas_fold_in(struct eas_collection_state *to, const struct eas_fold *f, uint32_t known);

#endif
