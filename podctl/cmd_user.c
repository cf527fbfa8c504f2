#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/cmd_user_oof.h"
#include "podctl/commands.h"
#include "podctl/demo.h"
#include "podctl/duration.h"
#include "podctl/output.h"
#include "podctl/password.h"
#include "podctl/show.h"
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
	{ "Who may send as them", "send_as", OUTPUT_LIST },
	{ "Undo send", "undo_send_s", OUTPUT_SPAN },
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

/* "default" (0), "none" (-1) or a number. */
static int rate_parse(struct span text, json_int_t *ret_rate, struct err *err)
{
	uint32_t n;

	if (span_eq_nocase(text, SPAN_LIT("default")))
		*ret_rate = 0;
	else if (span_eq_nocase(text, SPAN_LIT("none")))
		*ret_rate = -1;
	else if (span_to_u32(text, &n) == 0 && n > 0 && n <= INT32_MAX)
		*ret_rate = n;
	else
		return err_set(err, POD_E_SYNTAX, "a rate is a number, none or default");
	return 0;
}

/* Puts what the user may send into a body. */
static int add_sending(struct cli *cli, json_t *body)
{
	static const struct {
		const char *option, *field;
	} rates[] = { { "--messages-per-hour", "messages_per_hour" },
		      { "--messages-per-day", "messages_per_day" },
		      { "--recipients-per-hour", "recipients_per_hour" },
		      { "--recipients-per-day", "recipients_per_day" } };
	const char *undo = cli_option(cli, "--undo-send");
	uint64_t s;
	int r = undo ? duration_parse(span_of(undo), &s, &cli->err) : 0;

	if (r == 0 && undo)
		(void) json_object_set_new(body, "undo_send_s", json_integer((json_int_t) s));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rates); i++) {
		const char *text = cli_option(cli, rates[i].option);
		json_int_t n = 0;

		if (!text)
			continue;
		r = rate_parse(span_of(text), &n, &cli->err);
		if (r == 0)
			(void) json_object_set_new(body, rates[i].field, json_integer(n));
	}
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

	path = arena_printf(cli->arena, "/users?limit=1000%s%s%s%s", domain ? "&domain=" : "",
	                    domain ? client_segment(cli, domain) : "", volume ? "&volume=" : "",
	                    volume ? client_segment(cli, volume) : "");
	return show_list(cli, path, "users", list_columns, ARRAY_SIZE(list_columns));
}

static int run_show(struct cli *cli)
{
	return show_object(cli, user_path(cli), show_columns, ARRAY_SIZE(show_columns));
}

static int run_set(struct cli *cli)
{
	bool suspend = cli_option(cli, "--suspend"), activate = cli_option(cli, "--activate");
	json_t *body, *answer;
	int status;

	if (suspend && activate)
		return cli_fail_with(cli, POD_E_SYNTAX, NULL,
		                     "--suspend and --activate together make no sense");
	body = json_pack("{ss*, ss*, ss*}", "display_name", cli_option(cli, "--display-name"), "language",
	                 cli_option(cli, "--language"), "state",
	                 suspend    ? "suspended"
	                 : activate ? "active"
	                            : NULL);
	if (add_quota(cli, body) < 0 || add_sending(cli, body) < 0) {
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

static int run_grant(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/users/%s/send-as", client_segment(cli, cli->args[0]));
	json_t *answer;
	int status;

	if (client_call(cli, "POST", path, json_pack("{ss}", "to", cli->args[1]), &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s may send as %s.", cli->args[1], cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_revoke(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/users/%s/send-as/%s", client_segment(cli, cli->args[0]),
	                                client_segment(cli, cli->args[1]));
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s may not send as %s any more.", cli->args[1], cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_unlock(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "%s/unlock", user_path(cli));
	json_t *answer;
	int status;

	if (client_call(cli, "POST", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Failed logins of %s are forgotten on this host.", cli->args[0]);
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
	{ "--language", "CODE", "The language of delivery reports to them: en, de, fr, es, it, nl." },
	{ "--suspend", NULL, "No logins and no new mail until --activate; what is there stays." },
	{ "--activate", NULL, "Ends a suspension." },
	{ "--undo-send", "DURATION", "How long mail of theirs is held so that it can be taken back: 20s, none." },
	{ "--messages-per-hour", "N", "Most messages they may send: a number, none or default." },
	{ "--messages-per-day", "N", "The same in 24 hours." },
	{ "--recipients-per-hour", "N", "Most recipients of their messages." },
	{ "--recipients-per-day", "N", "The same in 24 hours." },
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
	{ "grant-send-as", "ADDRESS TO", 2, 2, "Lets the user TO send mail from the address of another.",
	  "For assistants and shared addresses. A user who was granted this cannot be removed before it is taken "
	  "back.",
	  NULL, run_grant },
	{ "revoke-send-as", "ADDRESS TO", 2, 2, "Takes that right back.", NULL, NULL, run_revoke },
	{ "oof", "ADDRESS", 1, 1, "Shows or sets what mail is answered with while the user is away.",
	  "Everybody who writes is told once (stored.oof_repeat), again when the words change. Lists, programs and mail "
	  "that does not name the user get no answer (RFC 3834).",
	  user_oof_options, user_oof_run },
	{ "unlock", "ADDRESS", 1, 1, "Forgets failed logins of a user on this host.",
	  "After failures a user waits before the next try, longer each time, up to guard.login_delay_max. This ends "
	  "that for tries at the name. Each host counts for its own front ends: where others serve the user too, it has to be "
	  "said to podctl there as well. A network whose tries fail goes on waiting.",
	  NULL, run_unlock },
	{ "passwd", "ADDRESS", 1, 1, "Changes a user's password.",
	  "Sessions that are open go on; new ones need the new password.", passwd_options, run_passwd },
};

const struct command_group command_user = { "user", "Users and their mailboxes.", commands,
	                                    ARRAY_SIZE(commands) };
