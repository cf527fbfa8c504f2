#include "base/cleanup.h"
#include "podctl/cmd_snapshot_mount.h"
#include "podctl/commands.h"

static const struct command commands[] = {
	{ "mount", "VOLUME SNAPSHOT", 2, 2, "Mounts a snapshot read-only, and prints where.",
	  "For who wants to look; restores mount what they need themselves. It stays mounted until snapshot "
	  "unmount, or "
	  "until the pod stops.",
	  snapshot_mount_options, snapshot_run_mount },
	{ "unmount", "VOLUME SNAPSHOT", 2, 2, "Ends snapshot mount.", NULL, snapshot_mount_options,
	  snapshot_run_unmount },
	{ "mounts", "", 0, 0, "Lists the snapshots that are mounted.", NULL, NULL, snapshot_run_mounts },
};

const struct command_group command_snapshot = { "snapshot", "Volumes as they were.", commands,
	                                        ARRAY_SIZE(commands) };
