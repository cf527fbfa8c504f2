/* Which site a volume is written at: switchover, failover, failback. */
#include <string.h>

#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/operation.h"
#include "podctl/size.h"

static int run_order(struct cli *cli, const char *what, json_t *body)
{
	const char *path =
		arena_printf(cli->arena, "/volumes/%s/%s", client_segment(cli, cli->args[0]), what);

	return operation_run(cli, cli->args[0], path, body);
}

static int run_switchover(struct cli *cli)
{
	return run_order(cli, "switchover", json_pack("{ss*}", "site", cli_option(cli, "--to")));
}

static int run_failover(struct cli *cli)
{
	const char *text = cli_option(cli, "--max-loss");
	json_t *body = json_pack("{ss*}", "site", cli_option(cli, "--to"));
	uint64_t bytes = 0;

	if (text && strcmp(text, "any") == 0) {
		(void) json_object_set_new(body, "max_loss", json_string(text));
	} else if (text) {
		if (size_parse(span_of(text), &bytes, &cli->err) < 0) {
			json_decref(body);
			return cli_fail(cli);
		}
		(void) json_object_set_new(body, "max_loss", json_integer((json_int_t) bytes));
	}
	return run_order(cli, "failover", body);
}

static int run_failback(struct cli *cli)
{
	return run_order(cli, "failback", NULL);
}

#define OPTION_TO                                                               \
	{                                                                       \
		"--to", "SITE", "Which site, where a volume has more than two." \
	}

static const struct command_option switchover_options[] = { OPTION_TO, { NULL, NULL, NULL } };
static const struct command_option failover_options[] = {
	{ "--max-loss", "0|SIZE|any",
	  "How much may be lost where the standby is not in sync: nothing (default), up to so many bytes, or "
	  "whatever it "
	  "may be." },
	OPTION_TO,
	{ NULL, NULL, NULL },
};

static const struct command switchover[] = {
	{ "", "VOLUME", 1, 1, "Moves a volume to its other site, in order.",
	  "The store stops, the file system is unmounted, the other site gets what it lacks, and serves. "
	  "Nothing is lost; "
	  "mail to the volume waits, and IMAP connections stay. Until the directory has the new primary, "
	  "what goes wrong "
	  "leaves the volume where it was.",
	  switchover_options, run_switchover },
};
static const struct command failover[] = {
	{ "", "VOLUME", 1, 1, "Lets the standby take over from a primary that is dead.",
	  "The primary's processes are killed first if they still live, and start again as a standby. A "
	  "standby that is in "
	  "sync has everything that was ever acknowledged. One that is not is refused, with what would be "
	  "lost, unless "
	  "--max-loss allows it; what the old primary has beyond that is then kept there as an orphan "
	  "snapshot when it comes "
	  "back. With replication.failover_after podd does it by itself where nothing can be lost.",
	  failover_options, run_failover },
};
static const struct command failback[] = {
	{ "", "VOLUME", 1, 1, "Moves a volume back to the site it was made at.",
	  "Waits until that site has everything again, then does a switchover.", NULL, run_failback },
};

const struct command_group command_switchover = { "switchover", "Moves a volume to its other site, in order.",
	                                          switchover, 1 };
const struct command_group command_failover = { "failover", "Lets the standby take over from a dead primary.",
	                                        failover, 1 };
const struct command_group command_failback = { "failback", "Moves a volume back to where it was made.",
	                                        failback, 1 };
