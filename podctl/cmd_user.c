#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/demo.h"
#include "podctl/output.h"
#include "podctl/password.h"
#include "podctl/size.h"

static const struct output_column list_columns[] = {
	{ "ADDRESS", "address", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "VOLUME", "volume", OUTPUT_TEXT },
	{ "NAME", "display_name", OUTPUT_TEXT },
};

static const struct output_column show_columns[] = {
	{ "Address", "address", OUTPUT_TEXT },       { "Name", "display_name", OUTPUT_TEXT },
	{ "State", "state", OUTPUT_TEXT },           { "Volume", "volume", OUTPUT_TEXT },
	{ "Folder", "user_id", OUTPUT_TEXT },        { "Mail", "used_bytes", OUTPUT_SIZE },
	{ "Quota", "quota_bytes", OUTPUT_QUOTA },    { "Messages", "messages", OUTPUT_NUMBER },
	{ "Mailboxes", "mailboxes", OUTPUT_NUMBER }, { "Made", "created", OUTPUT_TIME },
	{ "Last login", "last_login", OUTPUT_TIME },
};

static const char *user_path(struct cli *cli)
{
	return arena_printf(cli->arena, "/users/%s", client_segment(cli, cli->args[0]));
}

/* Puts --quota into a body. */
static int add_quota(struct cli *cli, json_t *body)
{
	const char *text = cli_option(cli, "--quota");
	uint64_t bytes;
	int r;

	if (!text)
		return 0;
	r = size_parse(span_of(text), &bytes, &cli->err);
	if (r == 0 && json_object_set_new(body, "quota_bytes", json_integer((json_int_t) bytes)) < 0)
		r = err_set(&cli->err, POD_E_NOMEM, "user");
	return r;
}

/* A password that was made is shown once, here; nobody can read it back later. */
static int print_with_password(struct cli *cli, json_t *answer, const char *password, bool made,
                               const char *done)
{
	int status;

	if (made && json_object_set_new(answer, "password", json_string(password)) < 0)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "out of memory");
	if (made)
		status = output_done(cli, answer, "%s %s.\nPassword: %s", done, cli->args[0], password);
	else
		status = output_done(cli, answer, "%s %s.", done, cli->args[0]);
	if (made && cli->quiet && cli->format == CLI_TABLE)
		(void) printf("%s\n", password);
	return status;
}

static int run_add(struct cli *cli)
{
	const char *password;
	json_t *body, *answer;
	bool made;
	int status;

	if (password_get(cli, &password, &made) < 0)
		return cli_fail(cli);
	body = json_pack("{ss, ss, ss*, ss*}", "address", cli->args[0], "password", password, "display_name",
	                 cli_option(cli, "--display-name"), "volume", cli_option(cli, "--volume"));
	if (add_quota(cli, body) < 0) {
		json_decref(body);
		return cli_fail(cli);
	}
	if (client_call(cli, "POST", "/users", body, &answer) < 0)
		return cli_fail(cli);
	status = print_with_password(cli, answer, password, made, "Added the user");
	json_decref(answer);
	return status;
}

static int run_list(struct cli *cli)
{
	const char *domain = cli_option(cli, "--domain"), *volume = cli_option(cli, "--volume"), *path;
	json_t *answer;
	int status;

	path = arena_printf(cli->arena, "/users?limit=1000%s%s%s%s", domain ? "&domain=" : "",
	                    domain ? client_segment(cli, domain) : "", volume ? "&volume=" : "",
	                    volume ? client_segment(cli, volume) : "");
	if (client_list(cli, path, "users", &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "users"),
	                     answer);
	json_decref(answer);
	return status;
}

static int run_show(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", user_path(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, show_columns, ARRAY_SIZE(show_columns), answer);
	json_decref(answer);
	return status;
}

static int run_set(struct cli *cli)
{
	bool suspend = cli_option(cli, "--suspend"), activate = cli_option(cli, "--activate");
	json_t *body, *answer;
	int status;

	if (suspend && activate)
		return cli_fail_with(cli, POD_E_SYNTAX, NULL,
		                     "--suspend and --activate together make no sense");
	body = json_pack("{ss*, ss*}", "display_name", cli_option(cli, "--display-name"), "state",
	                 suspend    ? "suspended"
	                 : activate ? "active"
	                            : NULL);
	if (add_quota(cli, body) < 0) {
		json_decref(body);
		return cli_fail(cli);
	}
	if (client_call(cli, "PATCH", user_path(cli), body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Changed the user %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_remove(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", user_path(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	demo_users_change(cli, cli->args[0], NULL);
	status = output_done(cli, answer, "Removed the user %s and all mail of theirs.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_passwd(struct cli *cli)
{
	const char *password;
	json_t *answer;
	bool made;
	int status;

	if (password_get(cli, &password, &made) < 0)
		return cli_fail(cli);
	if (client_call(cli, "PATCH", user_path(cli), json_pack("{ss}", "password", password), &answer) < 0)
		return cli_fail(cli);
	demo_users_change(cli, cli->args[0], password);
	status = print_with_password(cli, answer, password, made, "Changed the password of");
	json_decref(answer);
	return status;
}

static const struct command_option add_options[] = {
	{ "--password-stdin", NULL,
	  "Reads the password from the first line of standard input. Without it one is made and "
	  "printed." },
	{ "--password", "TEXT", "The password. Other users of the machine can see it while podctl runs." },
	{ "--display-name", "TEXT", "The name that people see." },
	{ "--quota", "SIZE", "Most mail the user can have: 500M, 2G, none. Default: stored.quota_default." },
	{ "--volume", "NAME", "The volume. Default: the domain's, else the emptiest." },
	{ NULL, NULL, NULL },
};

static const struct command_option list_options[] = {
	{ "--domain", "DOMAIN", "Only users of this domain." },
	{ "--volume", "NAME", "Only users on this volume." },
	{ NULL, NULL, NULL },
};

static const struct command_option set_options[] = {
	{ "--display-name", "TEXT", "The name that people see." },
	{ "--quota", "SIZE", "Most mail the user can have: 500M, 2G, none." },
	{ "--suspend", NULL, "No logins and no new mail until --activate; what is there stays." },
	{ "--activate", NULL, "Ends a suspension." },
	{ NULL, NULL, NULL },
};

static const struct command_option passwd_options[] = {
	{ "--password-stdin", NULL,
	  "Reads the password from the first line of standard input. Without it one is made and "
	  "printed." },
	{ "--password", "TEXT", "The password. Other users of the machine can see it while podctl runs." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "add", "ADDRESS", 1, 1, "Makes a user and the mailboxes of theirs.",
	  "Either all of it is made or nothing. A volume takes at most 1,000 users.", add_options, run_add },
	{ "list", "", 0, 0, "Lists the users.", NULL, list_options, run_list },
	{ "show", "ADDRESS", 1, 1, "Shows a user: volume, mail, quota.", NULL, NULL, run_show },
	{ "set", "ADDRESS", 1, 1, "Changes a user.", NULL, set_options, run_set },
	{ "remove", "ADDRESS", 1, 1, "Removes a user and all mail of theirs, for good.", NULL, NULL,
	  run_remove },
	{ "passwd", "ADDRESS", 1, 1, "Changes a user's password.",
	  "Sessions that are open go on; new ones need the new password.", passwd_options, run_passwd },
};

const struct command_group command_user = { "user", "Users and their mailboxes.", commands,
	                                    ARRAY_SIZE(commands) };
