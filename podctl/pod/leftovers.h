/*
 * Processes of a pod that run without its podd: front ends, stores and mounts get SIGTERM when podd dies, so
 * these are their last moments, or one that hangs; replicators are left, for the mounts to end in order.
 * Found by their command line: a program of ours with "--config FILE" of this pod, or with its replicas.
 */
#ifndef PODCTL_POD_LEFTOVERS_H
#define PODCTL_POD_LEFTOVERS_H

#include "base/err.h"

/* How the pod's processes are told from others. No symbolic links in any. */
struct leftovers_of {
	const char *config_file; /* as the programs were given it */
	const char *sites_dir, *run_dir;
	const char *volumes_dir; /* where volumes are mounted */
};

/*
 * Ends them, what is above before what it stands on: SIGTERM, and SIGKILL after timeout_ms each time; then
 * takes mounts away that nobody holds any more. *ret_ended: how many there were. -POD_E_DENIED where one
 * belongs to somebody else.
 */
int leftovers_end(const struct leftovers_of *pod, unsigned int timeout_ms, unsigned int *ret_ended,
                  struct err *err);

#endif
