/* The users that programs become when root starts them: that they are there, and can reach what they need. */
#ifndef PODCTL_SYSTEM_USERS_H
#define PODCTL_SYSTEM_USERS_H

#include "podctl/cli.h"

/*
 * As root: makes the missing ones of pod.user_* and the group podmail, and sees to it that they can enter
 * DIR: DIR itself is opened (mode 0711) where root owns it; a closed folder above it is an error that names
 * it. -POD_E_DENIED where DIR is somebody else's.
 */
int system_users_prepare(struct cli *cli, const struct conf *conf);

#endif
