/*
 * A device's states in the store: "eas/DEVICE/sync/FOLDER" (eas_folder_state_name) for each folder that it
 * synchronizes, "eas/DEVICE/sync" for its last Sync request, "eas/DEVICE/ping" for its last Ping. Functions
 * suspend.
 */
#ifndef POD_IMAPD_EAS_SYNC_STATES_H
#define POD_IMAPD_EAS_SYNC_STATES_H

#include "base/arena.h"
#include "base/err.h"

struct eas_request;

struct eas_state {
	const char *name;
	uint64_t version; /* 0: it is not there */
	struct span value;
	bool write, remove; /* for eas_states_save */
};

/* NULL where memory is out. */
const char *eas_state_name_last_sync(struct eas_request *rq);
const char *eas_state_name_ping(struct eas_request *rq);

/* Reads those of the names. Values live in the request's arena. */
int eas_states_load(struct eas_request *rq, struct eas_state *states, size_t n, struct err *err);
/*
 * Writes those that say so, all in one commit, each only where it still is the version that was read:
 * -POD_E_CONFLICT, and nothing is written.
 */
int eas_states_save(struct eas_request *rq, struct eas_state *states, size_t n, struct err *err);

#endif
