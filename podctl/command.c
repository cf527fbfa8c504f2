#include "podctl/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "podctl/commands.h"

const struct command_group *const command_groups[] = {
	&command_up,         &command_down,     &command_status,      &command_domain,
	&command_dmarc,      &command_user,     &command_device,      &command_alias,
	&command_group,      &command_volume,   &command_replication, &command_switchover,
	&command_failover,   &command_failback, &command_snapshot,    &command_restore,
	&command_drill,      &command_queue,    &command_quarantine,  &command_filter,
	&command_milter, &command_route,     &command_tlsrpt,   &command_trace,       &command_config,
	&command_completion, &command_help,     &command_version,
};
const size_t command_groups_n = ARRAY_SIZE(command_groups);

const struct command_option command_globals[] = {
	{ "--dir", "DIR",
	  "Folder of the pod. Default: $PODMAIL_DIR, else /var/lib/podmail for root and "
	  "$XDG_STATE_HOME/podmail (~/.local/state/podmail) for others." },
	{ "--format", "table|json", "How the answer looks: for people, or for programs. Default: table." },
	{ "--quiet", NULL, "No remarks; also -q." },
	{ "--help", NULL, "What the command does and takes; also -h." },
	{ NULL, NULL, NULL },
};

const struct command_group *command_group_find(const char *name)
{
	for (size_t i = 0; i < command_groups_n; i++)
		if (strcmp(command_groups[i]->name, name) == 0)
			return command_groups[i];
	return NULL;
}

const struct command *command_find(const struct command_group *group, const char *name)
{
	for (size_t i = 0; i < group->n; i++)
		if (strcmp(group->commands[i].name, name) == 0)
			return &group->commands[i];
	return NULL;
}

const struct command_option *command_option_find(const struct command_option *options, const char *name)
{
	for (const struct command_option *o = options; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}
