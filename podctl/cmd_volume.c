#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/show.h"
#include "podctl/size.h"

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
	{ "Kind", "kind", OUTPUT_TEXT },
	{ "Site", "site", OUTPUT_TEXT },
	{ "Replication", "replication", OUTPUT_TEXT },
	{ "Why not replicated", "why_not_replicated", OUTPUT_TEXT },
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

/* A size option into the body; a size of nothing is none. */
static int add_size(struct cli *cli, json_t *body, const char *option, const char *key)
{
	const char *text = cli_option(cli, option);
	uint64_t bytes;

	if (!text)
		return 0;
	if (size_parse(span_of(text), &bytes, &cli->err) < 0 || bytes == 0)
		return err_set(&cli->err, POD_E_SYNTAX, "%s: a size such as 500M or 20G is expected", option);
	(void) json_object_set_new(body, key, json_integer((json_int_t) bytes));
	return 0;
}

static int create_body(struct cli *cli, json_t **ret_body)
{
	bool replicated = cli_option(cli, "--replicated"), directory = cli_option(cli, "--directory");
	json_t *body = json_pack("{ss, ss*, ss*}", "name", cli->args[0], "kind",
	                         replicated  ? "replicated"
	                         : directory ? "directory"
	                                     : NULL,
	                         "mode", cli_option(cli, "--mode"));
	int r = body ? 0 : err_set(&cli->err, POD_E_NOMEM, "volume");

	if (r == 0 && replicated && directory)
		r = err_set(&cli->err, POD_E_SYNTAX, "--replicated and --directory exclude each other");
	if (r == 0)
		r = add_size(cli, body, "--size", "size_bytes");
	if (r == 0)
		r = add_size(cli, body, "--log-size", "log_bytes");
	if (r < 0)
		json_decref(body);
	else
		*ret_body = body;
	return r;
}

static int run_create(struct cli *cli)
{
	json_t *body, *answer;
	const char *why;
	int status;

	if (create_body(cli, &body) < 0 || client_call_long(cli, "POST", "/volumes", body, &answer) < 0)
		return cli_fail(cli);
	why = json_string_value(json_object_get(answer, "why_not_replicated"));
	status = output_done(cli, answer, "Added the volume %s; %s%s%s.", cli->args[0],
	                     json_string_value(json_object_get(answer, "replication")) ?: "not replicated",
	                     why ? ": " : "", why ? why : "");
	json_decref(answer);
	return status;
}

static int run_grow(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/volumes/%s/grow", client_segment(cli, cli->args[0]));
	json_t *body = json_object(), *answer;
	int status;

	if (!cli_option(cli, "--size")) {
		json_decref(body);
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "--size is missing");
	}
	if (add_size(cli, body, "--size", "size_bytes") < 0) {
		json_decref(body);
		return cli_fail(cli);
	}
	if (client_call(cli, "POST", path, body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s has %lld bytes now; its file system follows.", cli->args[0],
	                     (long long) json_integer_value(json_object_get(answer, "size_bytes")));
	json_decref(answer);
	return status;
}

static int run_list(struct cli *cli)
{
	return show_list(cli, "/volumes", "volumes", list_columns, ARRAY_SIZE(list_columns));
}

static int run_show(struct cli *cli)
{
	return show_object(cli, arena_printf(cli->arena, "/volumes/%s", client_segment(cli, cli->args[0])),
	                   show_columns, ARRAY_SIZE(show_columns));
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

static const struct command_option create_options[] = {
	{ "--replicated", NULL, "Held at a second site as well, block for block." },
	{ "--directory", NULL, "A plain folder, not replicated." },
	{ "--size", "SIZE",
	  "Of a replicated volume. It takes up what is written on it. Default: replication.volume_size." },
	{ "--mode", "sync|semi-sync|async",
	  "How a flush waits for the standby: until it is on its disk, until it was received, not at all. "
	  "Default: "
	  "replication.mode." },
	{ "--log-size", "SIZE", "Of each replica's log. Default: replication.log_size." },
	{ NULL, NULL, NULL },
};

static const struct command_option grow_options[] = {
	{ "--size", "SIZE", "The new size, not less than before." },
	{ NULL, NULL, NULL },
};

static const struct command_option fsck_options[] = {
	{ "--repair", NULL, "Repairs what it finds: files and index are made to agree again." },
	{ "--user", "ADDRESS", "Looks at one user's mail only." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "create", "NAME", 1, 1, "Makes a volume and starts what serves it.",
	  "A volume holds at most 1,000 users. Without --replicated or --directory it is what "
	  "replication.volumes says: "
	  "replicated where this host can do that (root; nbd, or FUSE and loop devices), else a plain folder "
	  "that shows as "
	  "not replicated, with the reason.",
	  create_options, run_create },
	{ "add", "NAME", 1, 1, "The same as create, by its older name.", NULL, create_options, run_create },
	{ "grow", "NAME", 1, 1, "Makes a replicated volume larger, while it is used.",
	  "Ends when its file system has grown. Where that could not follow, the same size again has it try again.",
	  grow_options, run_grow },
	{ "list", "", 0, 0, "Lists the volumes.", NULL, NULL, run_list },
	{ "show", "NAME", 1, 1, "Shows a volume: users, mail, disk.", NULL, NULL, run_show },
	{ "fsck", "NAME", 1, 1, "Compares a volume's files with its index, while it runs.",
	  "Ends with status 1 where problems were found and not repaired.", fsck_options, run_fsck },
};

const struct command_group command_volume = { "volume", "Volumes: where mail is kept.", commands,
	                                      ARRAY_SIZE(commands) };
