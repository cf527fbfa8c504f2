/*
 * Processes of a pod that run without its podd: they get SIGTERM when podd dies, so these are the last
 * moments of them, or one that hangs. Found by their command line: a program of ours and "--config FILE" of
 * this pod.
 */
#ifndef PODCTL_POD_LEFTOVERS_H
#define PODCTL_POD_LEFTOVERS_H

#include "base/err.h"

/*
 * Ends them: SIGTERM, and SIGKILL after timeout_ms. config_file: as the programs were given it, no symbolic
 * links in it. *ret_ended: how many there were. -POD_E_DENIED where one belongs to somebody else.
 */
int leftovers_end(const char *config_file, unsigned int timeout_ms, unsigned int *ret_ended, struct err *err);

#endif
