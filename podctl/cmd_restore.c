/*
 * restore: mail brought back. podd does it as a job; podctl begins it, shows how far it is, and ends when it
 * has ended. What a restore is not told of here stays as podd has it: podctl may be ended at any time, and
 * the job goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/date.h"
#include "podctl/output.h"

#define POLL_FIRST_MS 50
#define POLL_MAX_MS   1000

static const struct output_column item_columns[] = {
	{ "MAILBOX", "mailbox", OUTPUT_TEXT }, { "UID", "uid", OUTPUT_NUMBER },
	{ "DATE", "date", OUTPUT_TIME },       { "SIZE", "size_bytes", OUTPUT_SIZE },
	{ "SENDER", "sender", OUTPUT_TEXT },   { "SUBJECT", "subject", OUTPUT_TEXT },
	{ "STATE", "state", OUTPUT_TEXT },
};

static const struct output_column list_columns[] = {
	{ "ID", "id", OUTPUT_NUMBER },         { "WHAT", "what", OUTPUT_TEXT },
	{ "USER", "user", OUTPUT_TEXT },       { "STATE", "state", OUTPUT_TEXT },
	{ "BEGAN", "started", OUTPUT_TIME },   { "FOUND", "found", OUTPUT_NUMBER },
	{ "THERE", "present", OUTPUT_NUMBER }, { "RESTORED", "restored", OUTPUT_NUMBER },
	{ "FAILED", "failed", OUTPUT_NUMBER }, { "FROM", "source", OUTPUT_TEXT },
};

/* ---- the request ---- */

static int set(struct cli *cli, json_t *body, const char *name, json_t *value)
{
	return json_object_set_new(body, name, value) < 0
	               ? err_set(&cli->err, POD_E_SYNTAX, "%s is not valid UTF-8", name)
	               : 0;
}

static int set_text(struct cli *cli, json_t *body, const char *option, const char *name)
{
	const char *text = cli_option(cli, option);

	return text ? set(cli, body, name, json_string(text)) : 0;
}

static int set_date(struct cli *cli, json_t *body, const char *option, const char *name)
{
	const char *text = cli_option(cli, option);
	int64_t seconds;
	int r = text ? date_parse(span_of(text), &seconds, &cli->err) : 0;

	return r == 0 && text ? set(cli, body, name, json_integer(seconds)) : r;
}

/* podd has another current folder than we have. */
static int set_source(struct cli *cli, json_t *body)
{
	const char *text = cli_option(cli, "--from-folder");
	char *path;
	int r;

	if (!text == !cli_option(cli, "--from"))
		return err_set(&cli->err, POD_E_SYNTAX,
		               "where from? give --from SNAPSHOT or --from-folder DIR");
	if (!text)
		return 0;
	path = realpath(text, NULL);
	if (!path)
		return err_errno(&cli->err, errno, "%s", text);
	r = set(cli, body, "folder", json_string(path));
	free(path);
	return r;
}

static int set_options(struct cli *cli, json_t *body)
{
	static const struct {
		const char *option, *name;
	} texts[] = {
		{ "--from", "snapshot" },   { "--site", "site" },
		{ "--volume", "volume" },   { "--mailbox", "mailbox" },
		{ "--into", "into" },       { "--as", "as" },
		{ "--uid", "uids" },        { "--message-id", "message_id" },
		{ "--subject", "subject" }, { "--sender", "sender" },
	};
	static const struct {
		const char *option, *name;
	} switches[] = { { "--search", "list" },
		         { "--force", "force" },
		         { "--ignore-quota", "ignore_quota" } };
	int r = set_source(cli, body);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = set_text(cli, body, texts[i].option, texts[i].name);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(switches); i++)
		if (cli_option(cli, switches[i].option))
			r = set(cli, body, switches[i].name, json_true());
	if (r == 0)
		r = set_date(cli, body, "--since", "since");
	return r < 0 ? r : set_date(cli, body, "--before", "before");
}

/* ---- waiting ---- */

static json_int_t number(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

static bool has_ended(const json_t *job)
{
	return number(job, "ended") != 0;
}

static void show_progress(const struct cli *cli, const json_t *job)
{
	if (cli->quiet || !isatty(STDERR_FILENO))
		return;
	(void) fprintf(stderr, "\r%s: %lld looked at, %lld restored, %lld there already ",
	               json_string_value(json_object_get(job, "state")), (long long) number(job, "examined"),
	               (long long) number(job, "restored"), (long long) number(job, "present"));
	if (has_ended(job))
		(void) fputs("\r\033[K", stderr);
}

/* *job is replaced by what podd says last. */
static int wait_for_end(struct cli *cli, json_t **job)
{
	const char *path = arena_printf(cli->arena, "/restores/%lld", (long long) number(*job, "id"));
	long ms = POLL_FIRST_MS;

	while (!has_ended(*job)) {
		const struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
		json_t *now;
		int r;

		(void) nanosleep(&pause, NULL);
		ms = ms * 2 < POLL_MAX_MS ? ms * 2 : POLL_MAX_MS;
		r = path ? client_call(cli, "GET", path, NULL, &now)
		         : err_set(&cli->err, POD_E_NOMEM, "restore");
		if (r < 0)
			return r;
		json_decref(*job);
		*job = now;
		show_progress(cli, *job);
	}
	return 0;
}

/* ---- the end ---- */

static void print_problems(const struct cli *cli, const json_t *job)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(job, "problems"), i, line)
		cli_note(cli, "%s", json_string_value(line));
}

static int fail_as_told(struct cli *cli, const json_t *job)
{
	switch (-client_take_error(cli, job)) {
	case POD_E_QUOTA:
		cli->hint = "--ignore-quota brings back the rest too; or give the user more: podctl user set "
			    "--quota";
		break;
	case POD_E_DENIED:
		if (!cli_option(cli, "--from-folder"))
			break;
		cli->hint = "the user that the store runs as (podmail-store, where root started the pod) "
			    "must be able to "
			    "read the folder";
		break;
	default: break;
	}
	return cli_fail(cli);
}

static int print_end(struct cli *cli, const json_t *job)
{
	if (json_object_get(job, "error"))
		return fail_as_told(cli, job);
	if (cli->format == CLI_JSON) {
		output_json(job);
	} else if (json_is_true(json_object_get(job, "list"))) {
		(void) output_rows(cli, item_columns, ARRAY_SIZE(item_columns), json_object_get(job, "items"),
		                   job);
	} else {
		(void) output_done(
			cli, job,
			"Restored %lld messages of %s; %lld were there already, %lld could not be read.",
			(long long) number(job, "restored"), cli->args[0], (long long) number(job, "present"),
			(long long) number(job, "failed"));
	}
	return number(job, "failed") ? CLI_FAILED : CLI_OK;
}

static int run(struct cli *cli, json_t *body)
{
	json_t *job = NULL;
	int r = body ? set_options(cli, body)
	             : err_set(&cli->err, POD_E_SYNTAX, "what was given is not valid UTF-8");
	int status;

	if (r < 0) {
		json_decref(body);
		return cli_fail(cli);
	}
	if (client_call(cli, "POST", "/restores", body, &job) < 0)
		return cli_fail(cli);
	r = wait_for_end(cli, &job);
	if (r == 0 && cli->format != CLI_JSON)
		print_problems(cli, job);
	status = r < 0 ? cli_fail(cli) : print_end(cli, job);
	json_decref(job);
	return status;
}

static int run_message(struct cli *cli)
{
	return run(cli, json_pack("{ss, ss}", "what", "message", "user", cli->args[0]));
}

static int run_mailbox(struct cli *cli)
{
	return run(cli, json_pack("{ss, ss, ss}", "what", "mailbox", "user", cli->args[0], "mailbox",
	                          cli->args[1]));
}

static int run_user(struct cli *cli)
{
	return run(cli, json_pack("{ss, ss}", "what", "user", "user", cli->args[0]));
}

/* Users who move leave what came since behind: that is not to happen by a slip. */
static int run_volume(struct cli *cli)
{
	if (cli_option(cli, "--as") && !cli_option(cli, "--yes"))
		return cli_fail_with(cli, POD_E_SYNTAX, "give --yes where that is meant",
		                     "the users of %s would move to %s, with the mail of then; what came "
		                     "since stays behind",
		                     cli->args[0], cli_option(cli, "--as"));
	return run(cli, json_pack("{ss, ss}", "what", "volume", "volume", cli->args[0]));
}

static int run_list(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", "/restores", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "restores"),
	                     answer);
	json_decref(answer);
	return status;
}

static int run_cancel(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/restores/%s", client_segment(cli, cli->args[0]));
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Restore %s: %s, %lld messages were restored.", cli->args[0],
	                     json_string_value(json_object_get(answer, "state")),
	                     (long long) number(answer, "restored"));
	json_decref(answer);
	return status;
}

#define OPTIONS_SOURCE                                                                                     \
	{ "--from", "SNAPSHOT", "The snapshot: podctl snapshot list shows which there are." },             \
		{ "--site", "SITE",                                                                        \
		  "The replica to take the snapshot from. Default: where the volume is written, or one "   \
		  "that answers." },                                                                       \
	{                                                                                                  \
		"--from-folder", "DIR",                                                                    \
			"Instead: a folder that holds a volume or a copy of one, on the volume's host: a " \
			"backup. The store's "                                                             \
			"user must be able to read it."                                                    \
	}
#define OPTION_QUOTA                                                               \
	{                                                                          \
		"--ignore-quota", NULL, "Also what takes the user over the quota." \
	}
#define OPTION_INTO_ONE                                                                              \
	{                                                                                            \
		"--into", "MAILBOX", "Another mailbox to put it in; it is made where it is missing." \
	}

static const struct command_option message_options[] = {
	OPTIONS_SOURCE,
	{ "--mailbox", "MAILBOX", "The mailbox it was in. Default: all are looked through." },
	{ "--uid", "UIDS", "Its number in that mailbox: 7, or several: 3,7:9." },
	{ "--message-id", "ID", "Its Message-ID, with or without < >." },
	{ "--subject", "TEXT", "A part of its subject." },
	{ "--sender", "TEXT", "A part of its From field." },
	{ "--since", "DATE", "Received on that day or later: 2026-11-26, or \"2026-11-26 14:30\"." },
	{ "--before", "DATE", "Received before that." },
	{ "--search", NULL, "Only lists what is found; nothing is restored." },
	OPTION_INTO_ONE,
	{ "--force", NULL, "Also what is there already; it is then there twice." },
	OPTION_QUOTA,
	{ NULL, NULL, NULL },
};

static const struct command_option mailbox_options[] = {
	OPTIONS_SOURCE,
	OPTION_INTO_ONE,
	{ "--force", NULL, "Also what is there already; it is then there twice." },
	OPTION_QUOTA,
	{ NULL, NULL, NULL },
};

static const struct command_option user_options[] = {
	OPTIONS_SOURCE,
	{ "--volume", "NAME",
	  "The volume whose snapshot it is, and where a user who is gone is made again. Default: the one "
	  "that the user is on." },
	{ "--into", "MAILBOX", "Puts all mailboxes below this one." },
	OPTION_QUOTA,
	{ NULL, NULL, NULL },
};

static const struct command_option volume_options[] = {
	OPTIONS_SOURCE,
	{ "--as", "VOLUME",
	  "Moves the users to this volume, which is there, with the mail of the snapshot." },
	{ "--yes", NULL, "Yes, they move." },
	OPTION_QUOTA,
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "message", "USER", 1, 1, "Brings single messages back.",
	  "Which ones is said by --uid with --mailbox, or by what their headers say; all that is given must "
	  "be met. "
	  "With --search they are listed first. A message comes back into its mailbox under a new number, "
	  "with its date, "
	  "flags and keywords; one that is there already is left as it is. Ends with status 3 where none is "
	  "found.",
	  message_options, run_message },
	{ "mailbox", "USER MAILBOX", 2, 2, "Brings back all messages that a mailbox lacks now.",
	  "A mailbox that was deleted is made again. What was moved elsewhere since is then in both.",
	  mailbox_options, run_mailbox },
	{ "user", "USER", 1, 1, "Brings back all mail of a user, and a user who was removed.",
	  "A user who is not there any more is made again with password, quota and subscriptions.",
	  user_options, run_user },
	{ "volume", "VOLUME", 1, 1, "Brings back all mail of a volume's users, and users who were removed.",
	  "Each user as restore user does it, one after the other. Nothing that came since is taken away. "
	  "With --as, for a "
	  "volume that is lost or damaged, the users move to another volume: they get their account and mail "
	  "there, and then "
	  "the directory says so; new mail goes there from then on. Done again, it goes on where it was "
	  "ended.",
	  volume_options, run_volume },
	{ "list", "", 0, 0, "Lists restores that are under way or have ended.", NULL, NULL, run_list },
	{ "cancel", "ID", 1, 1, "Ends a restore.",
	  "What was restored until then stays, and asked for again it goes on with the rest.", NULL,
	  run_cancel },
};

const struct command_group command_restore = { "restore", "Mail brought back out of snapshots and backups.",
	                                       commands, ARRAY_SIZE(commands) };
