#include <string.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/cmd_snapshot_mount.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static const struct output_column columns[] = {
	{ "SNAPSHOT", "name", OUTPUT_TEXT }, { "TAKEN", "taken", OUTPUT_TIME },
	{ "KIND", "kind", OUTPUT_TEXT },     { "STATE OF FILES", "consistency", OUTPUT_TEXT },
	{ "HELD", "held", OUTPUT_YESNO },    { "AT ALL SITES", "complete", OUTPUT_YESNO },
	{ "SITES", "where", OUTPUT_LIST },   { "COPIES", "copied", OUTPUT_SIZE },
};

static const char *path_of(struct cli *cli, const char *doing)
{
	const char *volume = client_segment(cli, cli->args[0]);
	const char *name = cli->args_n > 1 ? client_segment(cli, cli->args[1]) : NULL;

	return arena_printf(cli->arena, "/volumes/%s/snapshots%s%s%s%s", volume ? volume : "",
	                    name ? "/" : "", name ? name : "", *doing ? "/" : "", doing);
}

/* Which sites have it, and what it costs them together. */
static void flatten(json_t *entry)
{
	json_t *where = json_array(), *site;
	json_int_t copied = 0;
	size_t i;

	json_array_foreach(json_object_get(entry, "sites"), i, site)
	{
		(void) json_array_append(where, json_object_get(site, "site"));
		copied += json_integer_value(json_object_get(site, "copied_bytes"));
	}
	(void) json_object_set_new(entry, "where", where);
	(void) json_object_set_new(entry, "copied", json_integer(copied));
}

static int run_list(struct cli *cli)
{
	json_t *answer, *rows, *entry;
	int status;
	size_t i;

	if (client_call(cli, "GET", path_of(cli, ""), NULL, &answer) < 0)
		return cli_fail(cli);
	rows = json_deep_copy(json_object_get(answer, "snapshots"));
	json_array_foreach(rows, i, entry) flatten(entry);
	status = output_rows(cli, columns, ARRAY_SIZE(columns), rows, answer);
	json_decref(rows);
	json_decref(answer);
	return status;
}

static int run_take(struct cli *cli)
{
	json_t *body = json_pack("{ss*, sb}", "name", cli->args_n > 1 ? cli->args[1] : NULL, "hold",
	                         cli_option(cli, "--hold") != NULL);
	const char *path =
		arena_printf(cli->arena, "/volumes/%s/snapshots", client_segment(cli, cli->args[0]));
	json_t *answer;
	int status;

	if (client_call_long(cli, "POST", path, body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Took the snapshot %s of %s (%s)%s.",
	                     json_string_value(json_object_get(answer, "name")), cli->args[0],
	                     json_string_value(json_object_get(answer, "consistency")),
	                     json_is_true(json_object_get(answer, "complete"))
	                             ? ", at all sites"
	                             : "; not every site has it yet");
	json_decref(answer);
	return status;
}

static int change(struct cli *cli, const char *method, const char *doing, const char *done)
{
	json_t *answer;
	int status;

	if (client_call(cli, method, path_of(cli, doing), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%s the snapshot %s of %s.", done, cli->args[1], cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_hold(struct cli *cli)
{
	return change(cli, "POST", "hold", "Held");
}

static int run_release(struct cli *cli)
{
	return change(cli, "POST", "release", "Released");
}

static int run_delete(struct cli *cli)
{
	return change(cli, "DELETE", "", "Deleted");
}

static int print_verified(struct cli *cli, const json_t *answer)
{
	bool same = json_is_true(json_object_get(answer, "same"));
	json_t *site;
	size_t i;

	if (cli->format == CLI_JSON) {
		output_json(answer);
		return same ? CLI_OK : CLI_FAILED;
	}
	json_array_foreach(json_object_get(answer, "sites"), i, site)
	{
		const char *sum = json_string_value(json_object_get(site, "checksum"));

		(void) printf("%-12s %s\n", json_string_value(json_object_get(site, "site")),
		              sum ? sum : json_string_value(json_object_get(site, "error")));
	}
	(void) printf("%s of %s: %s\n", cli->args[1], cli->args[0],
	              same ? "the same at all sites" : "NOT the same at all sites");
	return same ? CLI_OK : CLI_FAILED;
}

static int run_verify(struct cli *cli)
{
	json_t *answer;
	int status;

	cli_note(cli, "Reading %s at all sites.", cli->args[1]);
	if (client_call_long(cli, "POST", path_of(cli, "verify"), NULL, &answer) < 0)
		return cli_fail(cli);
	status = print_verified(cli, answer);
	json_decref(answer);
	return status;
}

static const struct command_option take_options[] = {
	{ "--hold", NULL, "It stays until it is released, whatever the room." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "list", "VOLUME", 1, 1, "Lists the snapshots of a volume, as each site has them.",
	  "STATE OF FILES: frozen, the file system was held still for the moment; crash, as after a loss of "
	  "power, with a "
	  "journal to be replayed. KIND: scheduled, at 00:00, 08:00 and 16:00 UTC, of which five are kept; "
	  "manual; resync, kept "
	  "by a standby while it was brought up to date; orphan, what a site had written that no other has.",
	  NULL, run_list },
	{ "take", "VOLUME [NAME]", 1, 2, "Takes one now, at all sites at the same point.",
	  "It is kept until it is deleted, or until the room for copies runs out: then the oldest that is "
	  "not held goes.",
	  take_options, run_take },
	{ "hold", "VOLUME NAME", 2, 2, "Keeps one from being pruned, deleted or dropped for room.", NULL,
	  NULL, run_hold },
	{ "release", "VOLUME NAME", 2, 2, "Ends the hold of one.", NULL, NULL, run_release },
	{ "delete", "VOLUME NAME", 2, 2, "Deletes one, at all sites.", NULL, NULL, run_delete },
	{ "verify", "VOLUME NAME", 2, 2, "Reads it at all sites and compares.",
	  "Ends with status 1 where they differ.", NULL, run_verify },
	{ "mount", "VOLUME NAME", 2, 2, "Mounts one read-only, and prints where.",
	  "For who wants to look; restores mount what they need themselves. It stays mounted until snapshot "
	  "unmount, or "
	  "until the pod stops.",
	  snapshot_mount_options, snapshot_run_mount },
	{ "unmount", "VOLUME NAME", 2, 2, "Ends snapshot mount.",
	  "When it has ended nothing of it reads the snapshot any more.", snapshot_mount_options,
	  snapshot_run_unmount },
	{ "mounts", "", 0, 0, "Lists the snapshots that are mounted.", NULL, NULL, snapshot_run_mounts },
};

const struct command_group command_snapshot = { "snapshot", "Snapshots of replicated volumes.", commands,
	                                        ARRAY_SIZE(commands) };
