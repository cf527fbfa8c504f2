/* How volumes are replicated, and what their primaries can be told. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

#define LOOK_EVERY_MS  1000
#define VERIFY_LOOK_MS 200

static const struct output_column columns[] = {
	{ "VOLUME", "volume", OUTPUT_TEXT },       { "SITE", "site", OUTPUT_TEXT },
	{ "ROLE", "role", OUTPUT_TEXT },           { "STATE", "state", OUTPUT_TEXT },
	{ "MODE", "mode", OUTPUT_TEXT },           { "IN SYNC", "in_sync", OUTPUT_YESNO },
	{ "LAG", "lag_bytes", OUTPUT_SIZE },       { "BEHIND", "behind", OUTPUT_TEXT },
	{ "EPOCHS", "lag_epochs", OUTPUT_NUMBER }, { "DIRTY", "dirty_bytes", OUTPUT_SIZE },
	{ "SENT", "bytes_sent", OUTPUT_SIZE },     { "OF", "bytes_raw", OUTPUT_SIZE },
	{ "RESYNC ENDS IN", "eta", OUTPUT_TEXT },  { "TOKEN", "token", OUTPUT_NUMBER },
};

/* ---- status ---- */

static void set_seconds(json_t *row, const char *key, const json_t *replica, const char *from_ms)
{
	const json_t *ms = json_object_get(replica, from_ms);

	if (json_is_integer(ms))
		(void) json_object_set_new(row, key,
		                           json_sprintf("%.1fs", (double) json_integer_value(ms) / 1000));
}

static void add_rows(json_t *rows, const json_t *volume)
{
	json_t *replica;
	size_t i;

	json_array_foreach(json_object_get(volume, "replicas"), i, replica)
	{
		json_t *row = json_copy(replica);

		(void) json_object_set(row, "volume", json_object_get(volume, "volume"));
		set_seconds(row, "behind", replica, "lag_ms");
		if (json_integer_value(json_object_get(replica, "resync_eta_ms")) > 0)
			set_seconds(row, "eta", replica, "resync_eta_ms");
		(void) json_array_append_new(rows, row);
	}
}

/* No flush waits for it, so it is never counted as in sync: that it is sent the log is all there is to
 * expect. */
static bool follows_async(const json_t *replica)
{
	const char *mode = json_string_value(json_object_get(replica, "mode"));
	const char *state = json_string_value(json_object_get(replica, "state"));

	return mode && state && strcmp(mode, "async") == 0 && strcmp(state, "following") == 0;
}

/* Served, and each replica with everything. */
static bool is_well(const json_t *volume)
{
	bool well = json_is_true(json_object_get(volume, "serving"));
	json_t *replica;
	size_t i;

	json_array_foreach(json_object_get(volume, "replicas"), i, replica) well &=
		json_is_true(json_object_get(replica, "in_sync")) || follows_async(replica);
	return well;
}

/* {"volumes": [...]}, of all or of the one that is named. */
static int ask(struct cli *cli, json_t **ret_answer)
{
	json_t *one;
	int r;

	if (cli->args_n == 0)
		return client_list(cli, "/replication", "volumes", ret_answer);
	r = client_call(
		cli, "GET",
		arena_printf(cli->arena, "/volumes/%s/replication", client_segment(cli, cli->args[0])), NULL,
		&one);
	if (r == 0)
		*ret_answer = json_pack("{s[o]}", "volumes", one);
	return r;
}

/* Why a replica does not get what it lacks. */
static void print_troubles(const json_t *volume)
{
	json_t *replica;
	size_t i;

	json_array_foreach(json_object_get(volume, "replicas"), i, replica)
	{
		const char *why = json_string_value(json_object_get(replica, "last_error"));

		if (why)
			(void) printf("%s at %s: %s\n", json_string_value(json_object_get(volume, "volume")),
			              json_string_value(json_object_get(replica, "site")), why);
	}
}

static int print_status(struct cli *cli, const json_t *answer)
{
	json_t *rows = json_array(), *volume;
	bool well = true;
	size_t i;
	int status;

	json_array_foreach(json_object_get(answer, "volumes"), i, volume)
	{
		add_rows(rows, volume);
		well &= is_well(volume);
	}
	status = output_rows(cli, columns, ARRAY_SIZE(columns), rows, answer);
	json_decref(rows);
	json_array_foreach(json_object_get(answer, "volumes"), i, volume) if (cli->format == CLI_TABLE)
		print_troubles(volume);
	(void) fflush(stdout);
	return status != CLI_OK || well ? status : CLI_FAILED;
}

static int look(struct cli *cli)
{
	json_t *answer;
	int status;

	if (ask(cli, &answer) < 0)
		return cli_fail(cli);
	status = print_status(cli, answer);
	json_decref(answer);
	return status;
}

static int watch(struct cli *cli)
{
	struct arena *whole_run = cli->arena;
	int status = CLI_OK;

	while (status == CLI_OK || status == CLI_FAILED) {
		cli->arena = arena_create(16 << 20);
		if (!cli->arena)
			break;
		if (isatty(STDOUT_FILENO) && cli->format == CLI_TABLE)
			(void) fputs("\033[H\033[2J", stdout);
		status = look(cli);
		(void) arena_free(cli->arena);
		cli->arena = whole_run;
		(void) poll(NULL, 0, LOOK_EVERY_MS);
	}
	cli->arena = whole_run;
	return status;
}

static int run_status(struct cli *cli)
{
	return cli_option(cli, "--watch") ? watch(cli) : look(cli);
}

/* ---- what is told ---- */

static const char *doing_path(struct cli *cli, const char *doing)
{
	return arena_printf(cli->arena, "/volumes/%s/replication/%s", client_segment(cli, cli->args[0]),
	                    doing);
}

static int tell(struct cli *cli, const char *doing, const char *done)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", doing_path(cli, doing),
	                json_pack("{ss*}", "site", cli_option(cli, "--site")), &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s: %s", cli->args[0], done);
	json_decref(answer);
	return status;
}

static int run_pause(struct cli *cli)
{
	return tell(cli, "pause", "the other site gets nothing until replication is resumed.");
}

static int run_resume(struct cli *cli)
{
	return tell(cli, "resume", "the other site gets what it missed.");
}

static int run_resync(struct cli *cli)
{
	return tell(cli, "resync", "the whole volume is compared; replication status shows how far it is.");
}

/* ---- verify ---- */

/* The replica that is compared, in an answer; NULL: there is none that is a secondary. */
static json_t *compared(const json_t *volume, const char *site)
{
	json_t *replica;
	size_t i;

	json_array_foreach(json_object_get(volume, "replicas"), i, replica)
	{
		const char *name = json_string_value(json_object_get(replica, "site"));
		const char *role = json_string_value(json_object_get(replica, "role"));

		if (name && (site ? strcmp(name, site) == 0 : role && strcmp(role, "secondary") == 0))
			return replica;
	}
	return NULL;
}

static void show_progress(struct cli *cli, const json_t *replica)
{
	json_int_t done = json_integer_value(json_object_get(replica, "verified_bytes"));
	json_int_t size = json_integer_value(json_object_get(replica, "size"));

	if (!cli->quiet && isatty(STDERR_FILENO) && size > 0)
		(void) fprintf(stderr, "\rcompared: %lld%%\033[K", (long long) (done * 100 / size));
}

/* The comparison's result, once there is one. */
static int verify_look(struct cli *cli, const char *path, json_t **ret_result)
{
	json_t *volume, *replica;
	int r = client_call(cli, "GET", path, NULL, &volume);

	if (r < 0)
		return r;
	replica = compared(volume, cli_option(cli, "--site"));
	*ret_result = json_incref(json_object_get(replica, "verify"));
	if (!*ret_result)
		show_progress(cli, replica);
	json_decref(volume);
	return 0;
}

static int verify_end(struct cli *cli, json_t *result)
{
	json_int_t bytes = json_integer_value(json_object_get(result, "bytes"));
	json_int_t differing = json_integer_value(json_object_get(result, "differing_bytes"));
	json_int_t repaired = json_integer_value(json_object_get(result, "repaired_bytes"));
	const char *cut_short = json_string_value(json_object_get(result, "text"));

	if (cut_short)
		return cli_fail_with(cli, POD_E_IO, NULL, "the comparison was cut short: %s", cut_short);
	if (cli->format == CLI_JSON)
		output_json(result);
	else
		(void) printf("%s: %lld bytes compared, %lld differ, %lld mended\n", cli->args[0],
		              (long long) bytes, (long long) differing, (long long) repaired);
	return differing > repaired ? CLI_FAILED : CLI_OK;
}

static int run_verify(struct cli *cli)
{
	const char *path =
		arena_printf(cli->arena, "/volumes/%s/replication", client_segment(cli, cli->args[0]));
	bool repair = cli_option(cli, "--repair") != NULL;
	json_t *body = json_pack("{sb, ss*}", "repair", (int) repair, "site", cli_option(cli, "--site"));
	json_t *result = NULL, *begun;
	int r = client_call(cli, "POST", doing_path(cli, "verify"), body, &begun), status;

	if (r < 0)
		return cli_fail(cli);
	json_decref(begun);
	while (r == 0 && !result) {
		(void) poll(NULL, 0, VERIFY_LOOK_MS);
		r = verify_look(cli, path, &result);
	}
	if (!cli->quiet && isatty(STDERR_FILENO))
		(void) fputs("\r\033[K", stderr);
	status = r < 0 ? cli_fail(cli) : verify_end(cli, result);
	json_decref(result);
	return status;
}

#define OPTION_SITE                                                                     \
	{                                                                               \
		"--site", "SITE", "Which other site, where a volume has more than one." \
	}

static const struct command_option status_options[] = {
	{ "--watch", NULL, "Looks again every second, until Ctrl-C; also -w." },
	{ NULL, NULL, NULL },
};
static const struct command_option site_options[] = { OPTION_SITE, { NULL, NULL, NULL } };
static const struct command_option verify_options[] = {
	{ "--repair", NULL, "Gives the other site ours where blocks differ." },
	OPTION_SITE,
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "status", "[VOLUME]", 0, 1,
	  "Shows each replica: role, state, whether it is in sync, what it lacks.",
	  "LAG is what of the log it has not on its disk, in bytes, in time (BEHIND) and in flushes "
	  "(EPOCHS); DIRTY is what the "
	  "log no longer has for it and is compared instead. SENT is what it was sent since the primary's "
	  "process "
	  "started, OF what that would be without compression (replication.compress). Below, what a primary "
	  "was "
	  "last told by a replica that does not follow. Ends with status 1 "
	  "where a volume is not served "
	  "or a replica not "
	  "in sync.",
	  status_options, run_status },
	{ "verify", "VOLUME", 1, 1, "Compares both sites block for block, while the volume is used.",
	  "Ends with status 1 where blocks differ and were not mended.", verify_options, run_verify },
	{ "pause", "VOLUME", 1, 1, "Sends the other site nothing until replication is resumed.",
	  "It is struck from the list of those in sync; what it misses is marked.", site_options, run_pause },
	{ "resume", "VOLUME", 1, 1, "Sends the other site what it missed, and goes on.", NULL, site_options,
	  run_resume },
	{ "resync", "VOLUME", 1, 1,
	  "Compares the whole volume with the other site and sends what differs there.",
	  "Also the word that ends a split brain: the primary's history counts, the other's is kept there as "
	  "an orphan "
	  "snapshot.",
	  site_options, run_resync },
};

const struct command_group command_replication = { "replication", "Volumes that are held at a second site.",
	                                           commands, ARRAY_SIZE(commands) };
