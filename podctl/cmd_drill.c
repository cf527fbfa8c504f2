/* drill: what happens if? */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/commands.h"
#include "podctl/drill/drill.h"
#include "podctl/output.h"

#define PER_SECOND_DEFAULT 20
#define PER_SECOND_MAX     1000
#define SECONDS_DEFAULT    5
#define SECONDS_MAX        3600

static const struct output_column list_columns[] = {
	{ "STARTED", "started", OUTPUT_TIME },
	{ "DRILL", "drill", OUTPUT_TEXT },
	{ "VOLUME", "volume", OUTPUT_TEXT },
	{ "MODE", "mode", OUTPUT_TEXT },
	{ "FROM", "from", OUTPUT_TEXT },
	{ "TO", "to", OUTPUT_TEXT },
	{ "OUTCOME", "outcome", OUTPUT_TEXT },
	{ "READ MS", "read_ms", OUTPUT_NUMBER },
	{ "250 MS", "accepted_ms", OUTPUT_NUMBER },
	{ "PROMISED", "acknowledged", OUTPUT_NUMBER },
	{ "LOST", "lost", OUTPUT_NUMBER },
};

/* ---- run ---- */

static int number_option(struct cli *cli, const char *name, uint32_t max, unsigned int *value)
{
	const char *text = cli_option(cli, name);
	uint32_t n;

	if (!text)
		return 0;
	if (span_to_u32(span_of(text), &n) < 0 || n == 0 || n > max)
		return err_set(&cli->err, POD_E_SYNTAX, "%s is 1 to %u", name, max);
	*value = n;
	return 0;
}

static json_int_t number(const json_t *json, const char *group, const char *name)
{
	return json_integer_value(json_object_get(group ? json_object_get(json, group) : json, name));
}

static void print_ms(const char *title, const json_t *ms)
{
	if (json_is_integer(ms))
		(void) printf("%-44s %8.3f s\n", title, (double) json_integer_value(ms) / 1000);
	else
		(void) printf("%-44s %10s\n", title, "never");
}

static void print_check(const char *title, const json_t *result, const char *group)
{
	(void) printf("%-44s %8lld messages: %lld missing, %lld doubled; %lld flags: %lld missing\n", title,
	              (long long) number(result, group, "checked"),
	              (long long) number(result, group, "missing"),
	              (long long) number(result, group, "doubled"),
	              (long long) number(result, group, "flags_checked"),
	              (long long) number(result, group, "flags_missing"));
}

static void print_result(const json_t *result)
{
	const json_t *rto = json_object_get(result, "rto");

	(void) printf("Volume %s, %s: %s to %s and back, %lld processes killed\n",
	              json_string_value(json_object_get(result, "volume")),
	              json_string_value(json_object_get(result, "mode")),
	              json_string_value(json_object_get(result, "from")),
	              json_string_value(json_object_get(result, "to")),
	              (long long) number(result, NULL, "killed"));
	print_ms("RTO: mail can be read again after", json_object_get(rto, "read_ms"));
	print_ms("     mail is accepted again after", json_object_get(rto, "accepted_ms"));
	print_ms("     new mail is in its mailbox after", json_object_get(rto, "delivered_ms"));
	print_ms("     the standby was promoted after", json_object_get(rto, "promoted_ms"));
	(void) printf("%-44s %8lld messages, %lld flags (the standby's lag then: %lld bytes, %lld ms)\n",
	              "RPO: acknowledged and lost", (long long) number(result, "rpo", "messages"),
	              (long long) number(result, "rpo", "flags"),
	              (long long) number(result, "rpo", "lag_bytes"),
	              (long long) number(result, "rpo", "lag_ms"));
	print_check("After the failover", result, "after_failover");
	print_ms("The failback took", json_object_get(result, "failback_ms"));
	print_check("After the failback", result, "after_failback");
	(void) printf("%-44s %8lld accepted, %lld refused, %lld unknown; the longest took %.3f s\n",
	              "Messages handed in", (long long) number(result, NULL, "acknowledged"),
	              (long long) number(result, NULL, "refused"),
	              (long long) number(result, NULL, "unknown"),
	              (double) number(result, NULL, "longest_accept_ms") / 1000);
}

static int finish(struct cli *cli, const struct drill_options *o, const struct drill_result *d, int r,
                  struct err *err)
{
	json_t *result;

	if (r < 0 && d->killed == 0) { /* nothing happened that is worth a report */
		cli->err = *err;
		return cli_fail(cli);
	}
	result = drill_json("node-kill", o, d, r < 0 ? err : &(struct err){ 0 });
	if (!result)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "out of memory");
	drill_record(cli, result);
	if (cli->format == CLI_JSON)
		output_json(result);
	else
		print_result(result);
	json_decref(result);
	if (r < 0) {
		cli->err = *err;
		return cli_fail(cli);
	}
	if (!drill_is_good(d))
		return cli_fail_with(
			cli, POD_E_CORRUPT,
			strcmp(d->mode, "async") == 0
				? "the volume is async: what the standby lacked at the kill is lost"
				: NULL,
			"something that was acknowledged is missing or doubled");
	return CLI_OK;
}

static int run_run(struct cli *cli)
{
	struct drill_options o = { .volume = cli_option(cli, "--volume"),
		                   .per_second = PER_SECOND_DEFAULT,
		                   .seconds = SECONDS_DEFAULT,
		                   .keep = cli_option(cli, "--keep") != NULL };
	struct drill_result d;
	struct err err = { 0 };
	int r;

	if (strcmp(cli->args[0], "node-kill") != 0)
		return cli_fail_with(cli, POD_E_SYNTAX, "the one drill there is: node-kill",
		                     "there is no drill %s", cli->args[0]);
	if (number_option(cli, "--load", PER_SECOND_MAX, &o.per_second) < 0 ||
	    number_option(cli, "--seconds", SECONDS_MAX, &o.seconds) < 0)
		return cli_fail(cli);
	r = drill_node_kill(cli, &o, &d, &err);
	return finish(cli, &o, &d, r, &err);
}

/* ---- list ---- */

static int is_result(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 5 && e->d_name[0] != '.' && strcmp(e->d_name + len - 5, ".json") == 0;
}

/* What the list's columns show lies deeper in the result. */
static json_t *row_of(const json_t *result)
{
	json_t *row = json_copy((json_t *) (uintptr_t) result);
	const json_t *rto = json_object_get(result, "rto");

	(void) json_object_set(row, "read_ms", json_object_get(rto, "read_ms"));
	(void) json_object_set(row, "accepted_ms", json_object_get(rto, "accepted_ms"));
	(void) json_object_set(row, "lost", json_object_get(json_object_get(result, "rpo"), "messages"));
	return row;
}

static int run_list(struct cli *cli)
{
	const char *dir = cli_find_dir(cli) == 0 ? arena_printf(cli->arena, "%s/drills", cli->dir) : NULL;
	json_t *drills = json_array(), *answer;
	struct dirent **names = NULL;
	int n = dir ? scandir(dir, &names, is_result, alphasort) : 0, status;

	if (!dir)
		return cli_fail(cli);
	for (int i = 0; i < n; i++) {
		const char *path = arena_printf(cli->arena, "%s/%s", dir, names[i]->d_name);
		json_t *result = path ? json_load_file(path, 0, NULL) : NULL;

		if (json_is_object(result))
			(void) json_array_append_new(drills, row_of(result));
		json_decref(result);
		free(names[i]);
	}
	free(names);
	answer = json_pack("{so}", "drills", drills);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), drills, answer);
	json_decref(answer);
	return status;
}

static const struct command_option run_options[] = {
	{ "--volume", "NAME", "The volume. Default: the only one that is replicated." },
	{ "--load", "N", "Messages a second, 1 to 1000. Default: 20." },
	{ "--seconds", "S", "How long under load before the event, and again after it. Default: 5." },
	{ "--keep", NULL, "Keeps the users that were made for the drill, and their mail." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "run", "node-kill", 1, 1, "Kills a volume's primary under load, and measures what that costs.",
	  "Users are made for it, mail is handed in to them by SMTP and flagged by IMAP, and every answer is "
	  "remembered. Then the "
	  "replicator, the mount and the store of the primary are killed with SIGKILL, and the standby is "
	  "promoted. Everything that "
	  "was acknowledged is looked for at the new place, the volume fails back under load, and it is "
	  "looked for again. RTO is "
	  "counted from the kill, RPO is what had been acknowledged and is missing. The users of the volume "
	  "see a pause. Ends with "
	  "status 1 where anything is missing or doubled.",
	  run_options, run_run },
	{ "list", "", 0, 0, "Lists the drills that were run, and what they showed.",
	  "Results are kept in DIR/drills.", NULL, run_list },
};

const struct command_group command_drill = { "drill", "Something is broken on purpose, and measured.",
	                                     commands, ARRAY_SIZE(commands) };
