#include <jansson.h>

#include "base/cleanup.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/pod_run.h"

static int report(struct cli *cli, bool ran)
{
	json_t *json = json_pack("{ss, sb}", "dir", cli->dir, "was_running", (int) ran);
	int status = output_done(cli, json, "The pod in %s %s.", cli->dir, ran ? "is down" : "did not run");

	json_decref(json);
	return status;
}

static int run_down(struct cli *cli)
{
	struct process_mark podd;
	const struct conf *conf;
	_cleanup_(closep) int lock = -1;
	unsigned int ended = 0;
	int r = cli_conf(cli, &conf);

	if (r < 0 || pod_lock(cli, &lock) < 0)
		return cli_fail(cli);
	r = pod_running(cli, conf, &podd);
	if (r == 0)
		return pod_stop(cli, conf, &podd) < 0 ? cli_fail(cli) : report(cli, true);
	if (r != -POD_E_NOTFOUND || pod_end_leftovers(cli, conf, &ended) < 0)
		return cli_fail(cli);
	return report(cli, ended > 0);
}

static const struct command commands[] = {
	{ "", "", 0, 0, "Stops every process of the pod, and waits until they have ended.",
	  "Front ends first, then the stores; what does not end within podd.drain_timeout is killed. Nothing "
	  "else on the "
	  "machine is touched. A pod that does not run is no failure.",
	  NULL, run_down },
};

const struct command_group command_down = { "down", "Stops the pod.", commands, 1 };
