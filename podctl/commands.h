/* The command groups, each in its cmd_NAME.c. */
#ifndef PODCTL_COMMANDS_H
#define PODCTL_COMMANDS_H

#include "podctl/command.h"

extern const struct command_group command_up, command_down, command_status, command_domain, command_user,
	command_alias, command_group, command_volume, command_queue, command_quarantine, command_filter, command_milter, command_route, command_tlsrpt, command_trace, command_config, command_completion,
	command_help, command_version, command_replication, command_switchover, command_failover, command_failback,
	command_snapshot, command_restore, command_drill, command_dmarc, command_device;

#endif
