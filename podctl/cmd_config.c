#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static json_t *problems_json(const struct conf_problems *problems)
{
	json_t *array = json_array();

	for (size_t i = 0; i < problems->n; i++)
		(void) json_array_append_new(array,
		                             json_pack("{si, ss}", "line", (int) problems->items[i].line,
		                                       "text", problems->items[i].text));
	return array;
}

static int print_problems(struct cli *cli, const char *path, const struct conf_problems *problems)
{
	if (cli->format == CLI_JSON) {
		json_t *json = json_pack("{ss, sb, so}", "file", path, "valid", problems->n == 0, "problems",
		                         problems_json(problems));

		output_json(json);
		json_decref(json);
		return problems->n ? CLI_FAILED : CLI_OK;
	}
	for (size_t i = 0; i < problems->n; i++)
		(void) fprintf(stderr, "%s:%u: %s\n", path, problems->items[i].line, problems->items[i].text);
	if (problems->n == 0 && !cli->quiet)
		(void) printf("%s is valid.\n", path);
	return problems->n ? CLI_FAILED : CLI_OK;
}

static int run_check(struct cli *cli)
{
	struct conf_problems problems = { 0 };
	const char *path;
	int r = cli_find_dir(cli);

	if (r < 0)
		return cli_fail(cli);
	path = cli->args_n ? cli->args[0] : arena_printf(cli->arena, "%s/podmail.conf", cli->dir);
	r = conf_load(path, cli->arena, &problems, &cli->conf, &cli->err);
	if (r < 0 && r != -POD_E_CONFIG)
		return cli_fail(cli);
	return print_problems(cli, path, &problems);
}

static int run_show(struct cli *cli)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct conf *conf;

	if (cli_conf(cli, &conf) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_JSON) {
		if (conf_print_json(conf, &text, &cli->err) < 0)
			return cli_fail(cli);
	} else {
		conf_print(conf, &text);
	}
	if (text.failed)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "out of memory");
	(void) fwrite(text.p, 1, text.len, stdout);
	return CLI_OK;
}

static int run_man(struct cli *cli)
{
	conf_print_man(stdout);
	return CLI_OK;
}

static int run_reload(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", "/config/reload", NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Reloaded.");
	json_decref(answer);
	return status;
}

static const struct command commands[] = {
	{ "check", "[FILE]", 0, 1, "Lists every problem of the configuration with its line.",
	  "Ends with status 1 where there is one. Without FILE it checks the pod's podmail.conf.", NULL,
	  run_check },
	{ "show", "", 0, 0, "Shows every option with the value that holds.", NULL, NULL, run_show },
	{ "reload", "", 0, 0, "Has the running pod read its configuration anew.",
	  "Where it is not valid nothing changes. Addresses that podd itself listens on need a restart.",
	  NULL, run_reload },
	{ "man", "", 0, 0, "Prints the options as the manual page podmail.conf(5) has them.", NULL, NULL,
	  run_man },
};

const struct command_group command_config = { "config", "The pod's configuration.", commands,
	                                      ARRAY_SIZE(commands) };
