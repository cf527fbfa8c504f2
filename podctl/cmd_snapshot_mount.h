/* snapshot mount, unmount and mounts: rows of the group in cmd_snapshot.c. */
#ifndef PODCTL_CMD_SNAPSHOT_MOUNT_H
#define PODCTL_CMD_SNAPSHOT_MOUNT_H

#include "podctl/command.h"

extern const struct command_option snapshot_mount_options[];
int snapshot_run_mount(struct cli *cli);
int snapshot_run_unmount(struct cli *cli);
int snapshot_run_mounts(struct cli *cli);

#endif
