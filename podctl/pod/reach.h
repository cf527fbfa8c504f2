/* What a user of the pod can reach of the file system, which root, who asks, can reach all of. */
#ifndef PODCTL_POD_REACH_H
#define PODCTL_POD_REACH_H

#include <stdbool.h>

/*
 * As root: whether access(path, mode) holds for the user with all its groups. Tried in a child that becomes
 * that user, so that modes, access lists and mounts all count. false also where there is no such user.
 */
bool user_can_reach(const char *user, const char *path, int mode);

#endif
