#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/show.h"

#define MEMBERS_PER_CALL 500

static const struct output_column list_columns[] = {
	{ "GROUP", "address", OUTPUT_TEXT },
	{ "NAME", "display_name", OUTPUT_TEXT },
	{ "MEMBERS ONLY", "members_only", OUTPUT_YESNO },
	{ "MEMBERS", "members", OUTPUT_LIST },
};

static const struct output_column show_columns[] = {
	{ "Address", "address", OUTPUT_TEXT },
	{ "Name", "display_name", OUTPUT_TEXT },
	{ "Members only", "members_only", OUTPUT_YESNO },
	{ "Members", "members", OUTPUT_LIST },
	{ "Members send as it", "members_send_as", OUTPUT_YESNO },
	{ "Others who send as it", "send_as", OUTPUT_LIST },
};

static json_t *members_json(const struct cli *cli)
{
	json_t *members = json_array();

	for (size_t i = 1; i < cli->args_n; i++)
		(void) json_array_append_new(members, json_string(cli->args[i]));
	return members;
}

static const char *group_path(struct cli *cli, const char *rest)
{
	return arena_printf(cli->arena, "/groups/%s%s", client_segment(cli, cli->args[0]), rest);
}

/* Makes a change and says so, or prints the group as it then is. */
static int change(struct cli *cli, const char *method, const char *path, json_t *body, const char *done)
{
	json_t *answer;
	int status;

	if (client_call(cli, method, path, body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s %s.", done, cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_add(struct cli *cli)
{
	json_t *body = json_pack("{ss, ss*, sb, sb, so}", "address", cli->args[0], "display_name",
	                         cli_option(cli, "--display-name"), "members_only",
	                         cli_option(cli, "--members-only") != NULL, "members_send_as",
	                         cli_option(cli, "--members-send-as") != NULL, "members", members_json(cli));

	return change(cli, "POST", "/groups", body, "Added the group");
}

static int run_list(struct cli *cli)
{
	return show_list(cli, "/groups", "groups", list_columns, ARRAY_SIZE(list_columns));
}

static int run_show(struct cli *cli)
{
	return show_object(cli, group_path(cli, ""), show_columns, ARRAY_SIZE(show_columns));
}

static int run_remove(struct cli *cli)
{
	return change(cli, "DELETE", group_path(cli, ""), NULL, "Removed the group");
}

static int run_member_add(struct cli *cli)
{
	json_t *body = json_pack("{so}", "members", members_json(cli));

	return change(cli, "POST", group_path(cli, "/members"), body, "Changed the group");
}

static int run_member_remove(struct cli *cli)
{
	int status = CLI_OK;

	for (size_t i = 1; status == CLI_OK && i < cli->args_n; i++) {
		const char *rest = arena_printf(cli->arena, "/members/%s", client_segment(cli, cli->args[i]));

		status = change(cli, "DELETE", group_path(cli, rest), NULL, "Changed the group");
	}
	return status;
}

static int run_grant(struct cli *cli)
{
	return change(cli, "POST", group_path(cli, "/send-as"), json_pack("{ss}", "to", cli->args[1]),
	              "Changed the group");
}

static int run_revoke(struct cli *cli)
{
	const char *rest = arena_printf(cli->arena, "/send-as/%s", client_segment(cli, cli->args[1]));

	return change(cli, "DELETE", group_path(cli, rest), NULL, "Changed the group");
}

static const struct command_option add_options[] = {
	{ "--display-name", "TEXT", "The name that people see." },
	{ "--members-only", NULL, "Only members may send to the group." },
	{ "--members-send-as", NULL, "Each member may send mail from the group's address." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "add", "ADDRESS [MEMBER...]", 1, MEMBERS_PER_CALL + 1,
	  "Makes an address that reaches all its members.",
	  "A member may be a user, an alias, another group, or an address elsewhere.", add_options, run_add },
	{ "list", "", 0, 0, "Lists the groups.", NULL, NULL, run_list },
	{ "show", "ADDRESS", 1, 1, "Shows a group and its members.", NULL, NULL, run_show },
	{ "remove", "ADDRESS", 1, 1, "Removes a group; its members stay.", NULL, NULL, run_remove },
	{ "member-add", "ADDRESS MEMBER...", 2, MEMBERS_PER_CALL + 1, "Adds members to a group.", NULL, NULL,
	  run_member_add },
	{ "grant-send-as", "ADDRESS TO", 2, 2, "Lets the user TO send mail from the group's address.", NULL, NULL,
	  run_grant },
	{ "revoke-send-as", "ADDRESS TO", 2, 2, "Takes that right back.", NULL, NULL, run_revoke },
	{ "member-remove", "ADDRESS MEMBER...", 2, MEMBERS_PER_CALL + 1, "Takes members out of a group.",
	  NULL, NULL, run_member_remove },
};

const struct command_group command_group = { "group", "Addresses that reach all their members.", commands,
	                                     ARRAY_SIZE(commands) };
