#include "podctl/cmd_snapshot_mount.h"

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/output.h"

static const struct output_column columns[] = {
	{ "VOLUME", "volume", OUTPUT_TEXT },    { "SNAPSHOT", "snapshot", OUTPUT_TEXT },
	{ "SITE", "site", OUTPUT_TEXT },        { "STATE", "state", OUTPUT_TEXT },
	{ "BY HAND", "by_hand", OUTPUT_YESNO }, { "USES", "uses", OUTPUT_NUMBER },
	{ "SINCE", "since", OUTPUT_TIME },      { "PATH", "path", OUTPUT_TEXT },
};

const struct command_option snapshot_mount_options[] = {
	{ "--site", "SITE",
	  "The replica to take it from. Default: where the volume is written, or one that answers." },
	{ NULL, NULL, NULL },
};

static const char *path_of(struct cli *cli)
{
	const char *site = cli_option(cli, "--site");

	return arena_printf(cli->arena, "/volumes/%s/snapshots/%s/mount%s%s",
	                    client_segment(cli, cli->args[0]), client_segment(cli, cli->args[1]),
	                    site ? "?site=" : "", site ? client_segment(cli, site) : "");
}

int snapshot_run_mount(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", path_of(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s", json_string_value(json_object_get(answer, "path")));
	json_decref(answer);
	return status;
}

int snapshot_run_unmount(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", path_of(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "The snapshot %s of %s is unmounted, once no restore uses it.",
	                     cli->args[1], cli->args[0]);
	json_decref(answer);
	return status;
}

int snapshot_run_mounts(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/mounts", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, columns, ARRAY_SIZE(columns), json_object_get(answer, "mounts"), answer);
	json_decref(answer);
	return status;
}
