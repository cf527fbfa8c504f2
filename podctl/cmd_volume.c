#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column list_columns[] = {
	{ "VOLUME", "name", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "PROCESS", "process", OUTPUT_TEXT },
	{ "HOST", "host", OUTPUT_TEXT },
	{ "USERS", "users", OUTPUT_NUMBER },
	{ "AT MOST", "users_max", OUTPUT_NUMBER },
	{ "REPLICATION", "replication", OUTPUT_TEXT },
	{ "PATH", "path", OUTPUT_TEXT },
};

static const struct output_column show_columns[] = {
	{ "Volume", "name", OUTPUT_TEXT },
	{ "State", "state", OUTPUT_TEXT },
	{ "Process", "process", OUTPUT_TEXT },
	{ "Store", "store_state", OUTPUT_TEXT },
	{ "Host", "host", OUTPUT_TEXT },
	{ "Path", "path", OUTPUT_TEXT },
	{ "Id", "id", OUTPUT_TEXT },
	{ "Replication", "replication", OUTPUT_TEXT },
	{ "Fencing token", "token", OUTPUT_NUMBER },
	{ "Users", "users", OUTPUT_NUMBER },
	{ "Users at most", "users_max", OUTPUT_NUMBER },
	{ "Messages", "messages", OUTPUT_NUMBER },
	{ "Mail", "size_bytes", OUTPUT_SIZE },
	{ "Disk", "disk_total_bytes", OUTPUT_SIZE },
	{ "Free", "disk_free_bytes", OUTPUT_SIZE },
	{ "Commits", "commits", OUTPUT_NUMBER },
	{ "Renames to come", "pending_renames", OUTPUT_NUMBER },
};

static int run_add(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", "/volumes", json_pack("{ss}", "name", cli->args[0]), &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Added the volume %s; it is a plain folder, not replicated.",
	                     cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_list(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_list(cli, "/volumes", "volumes", &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "volumes"),
	                     answer);
	json_decref(answer);
	return status;
}

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET",
	                arena_printf(cli->arena, "/volumes/%s", client_segment(cli, cli->args[0])), NULL,
	                &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, show_columns, ARRAY_SIZE(show_columns), answer);
	json_decref(answer);
	return status;
}

/* Problems that were not repaired make it a failure, for scripts. */
static int print_fsck(struct cli *cli, const json_t *answer, bool repair)
{
	const json_t *problems = json_object_get(answer, "problems");
	json_int_t users = json_integer_value(json_object_get(answer, "users"));
	json_int_t messages = json_integer_value(json_object_get(answer, "messages"));
	json_int_t repaired = json_integer_value(json_object_get(answer, "repaired"));
	json_t *line;
	size_t i;

	if (cli->format == CLI_JSON) {
		output_json(answer);
	} else {
		json_array_foreach(problems, i, line)(void) printf("%s\n", json_string_value(line));
		(void) printf("%s: %lld users, %lld messages, %zu problems, %lld repaired\n", cli->args[0],
		              (long long) users, (long long) messages, json_array_size(problems),
		              (long long) repaired);
	}
	return json_array_size(problems) == 0 || repair ? CLI_OK : CLI_FAILED;
}

static int run_fsck(struct cli *cli)
{
	bool repair = cli_option(cli, "--repair") != NULL;
	json_t *body = json_pack("{sb, ss*}", "repair", (int) repair, "user", cli_option(cli, "--user")),
	       *answer;
	const char *path = arena_printf(cli->arena, "/volumes/%s/fsck", client_segment(cli, cli->args[0]));
	int status;

	if (client_call_long(cli, "POST", path, body, &answer) < 0)
		return cli_fail(cli);
	status = print_fsck(cli, answer, repair);
	json_decref(answer);
	return status;
}

static const struct command_option fsck_options[] = {
	{ "--repair", NULL, "Repairs what it finds: files and index are made to agree again." },
	{ "--user", "ADDRESS", "Looks at one user's mail only." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "add", "NAME", 1, 1, "Makes a volume and starts its store.",
	  "A volume holds at most 1,000 users. In this version it is a plain folder, DIR/volumes/NAME, and "
	  "not replicated.",
	  NULL, run_add },
	{ "list", "", 0, 0, "Lists the volumes.", NULL, NULL, run_list },
	{ "show", "NAME", 1, 1, "Shows a volume: users, mail, disk.", NULL, NULL, run_show },
	{ "fsck", "NAME", 1, 1, "Compares a volume's files with its index, while it runs.",
	  "Ends with status 1 where problems were found and not repaired.", fsck_options, run_fsck },
};

const struct command_group command_volume = { "volume", "Volumes: where mail is kept.", commands,
	                                      ARRAY_SIZE(commands) };
