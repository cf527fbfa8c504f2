#include "podctl/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "podctl/output.h"

int cli_exit_of(int code)
{
	switch ((enum pod_error) abs(code)) {
	case POD_E_NONE: return CLI_OK;
	case POD_E_SYNTAX: return CLI_USAGE;
	case POD_E_NOTFOUND: return CLI_NOTFOUND;
	case POD_E_EXISTS: return CLI_EXISTS;
	case POD_E_UNAVAILABLE:
	case POD_E_TIMEOUT:
	case POD_E_CANCELLED:
	case POD_E_STALE: return CLI_UNREACHABLE;
	case POD_E_DENIED:
	case POD_E_AUTH: return CLI_DENIED;
	case POD_E_LIMIT:
	case POD_E_QUOTA:
	case POD_E_FULL:
	case POD_E_NOSPACE: return CLI_LIMIT;
	case POD_E_NOMEM:
	case POD_E_BUSY:
	case POD_E_CONFLICT:
	case POD_E_PROTOCOL:
	case POD_E_VERSION:
	case POD_E_CORRUPT:
	case POD_E_IO:
	case POD_E_CONFIG:
	case POD_E_UNSUPPORTED:
	case POD_E_INTERNAL:
	case POD_E_END: return CLI_FAILED;
	}
	return CLI_FAILED;
}

/* ---- the command line ---- */

static int wrong(struct cli *cli, const char *what, const char *which)
{
	return err_set(&cli->err, POD_E_SYNTAX, "%s%s%s", what, *which ? " " : "", which);
}

static int take_global(struct cli *cli, const char *name, const char *value)
{
	if (strcmp(name, "--dir") == 0)
		cli->dir = value;
	else if (strcmp(name, "--quiet") == 0)
		cli->quiet = true;
	else if (strcmp(name, "--help") == 0)
		cli->help = true;
	else if (strcmp(value, "json") == 0)
		cli->format = CLI_JSON;
	else if (strcmp(value, "table") == 0)
		cli->format = CLI_TABLE;
	else
		return wrong(cli, "--format is table or json, not", value);
	return 0;
}

static int take_own(struct cli *cli, const struct command_option *option, const char *value)
{
	if (cli_option(cli, option->name))
		return wrong(cli, "given twice:", option->name);
	if (cli->values_n == CLI_OPTIONS_MAX)
		return wrong(cli, "too many options", "");
	cli->values[cli->values_n++] = (struct cli_value){ option, value };
	return 0;
}

static const char *long_name(const char *word)
{
	if (strcmp(word, "-h") == 0)
		return "--help";
	if (strcmp(word, "-w") == 0)
		return "--watch";
	return strcmp(word, "-q") == 0 ? "--quiet" : word;
}

/* An option, with its value behind "=" or in the next word; *i is then moved on. */
static int take_option(struct cli *cli, int argc, char **argv, int *i)
{
	size_t len = strcspn(argv[*i], "=");
	const char *value = argv[*i][len] ? argv[*i] + len + 1 : NULL;
	const char *name = arena_str(cli->arena, span_make(argv[*i], len));
	const struct command_option *global, *own, *option;

	if (!name)
		return err_set(&cli->err, POD_E_NOMEM, "command line");
	name = long_name(name);
	global = command_option_find(command_globals, name);
	own = cli->command ? command_option_find(cli->command->options, name) : NULL;
	option = own ? own : global;
	if (!option)
		return wrong(cli, "unknown option", name);
	if (!option->arg && value)
		return wrong(cli, "takes no value:", name);
	if (option->arg && !value) {
		if (*i + 1 >= argc)
			return wrong(cli, "needs a value:", name);
		value = argv[++*i];
	}
	return own ? take_own(cli, option, value ? value : "") : take_global(cli, name, value ? value : "");
}

/* The first words name the command, all others are its arguments. */
static int take_word(struct cli *cli, const char *word)
{
	if (!cli->group) {
		cli->group = command_group_find(word);
		if (!cli->group)
			return wrong(cli, "unknown command", word);
		cli->command = command_find(cli->group, "");
		return 0;
	}
	if (!cli->command) {
		cli->command = command_find(cli->group, word);
		return cli->command ? 0
		                    : err_set(&cli->err, POD_E_SYNTAX, "unknown command %s %s",
		                              cli->group->name, word);
	}
	cli->args[cli->args_n++] = word;
	return 0;
}

static int check_args(struct cli *cli)
{
	if (cli->help)
		return 0;
	if (!cli->group)
		return wrong(cli, "no command given", "");
	if (!cli->command)
		return wrong(cli, "a word is missing after", cli->group->name);
	if (cli->args_n < cli->command->args_min)
		return wrong(cli, "missing:", cli->command->args);
	if (cli->args_n > cli->command->args_max)
		return wrong(cli, "too much:", cli->args[cli->command->args_max]);
	return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
	bool words_only = false;
	int r = 0;

	cli->args = arena_array(cli->arena, (size_t) argc + 1, sizeof(*cli->args));
	if (!cli->args)
		return err_set(&cli->err, POD_E_NOMEM, "command line");
	for (int i = 1; r == 0 && i < argc; i++) {
		if (strcmp(argv[i], "--") == 0 && !words_only)
			words_only = true;
		else if (argv[i][0] == '-' && argv[i][1] && !words_only)
			r = take_option(cli, argc, argv, &i);
		else
			r = take_word(cli, argv[i]);
	}
	return r < 0 ? r : check_args(cli);
}

const char *cli_option(const struct cli *cli, const char *name)
{
	for (size_t i = 0; i < cli->values_n; i++)
		if (strcmp(cli->values[i].option->name, name) == 0)
			return cli->values[i].value;
	return NULL;
}

/* ---- the pod ---- */

/* /var/lib/podmail for root; else in the state folder of the XDG base directories. */
static const char *default_dir(struct arena *a)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return "/var/lib/podmail";
	if (state && state[0] == '/')
		return arena_printf(a, "%s/podmail", state);
	return home && home[0] == '/' ? arena_printf(a, "%s/.local/state/podmail", home) : NULL;
}

int cli_find_dir(struct cli *cli)
{
	char here[PATH_MAX];

	if (!cli->dir)
		cli->dir = getenv("PODMAIL_DIR");
	if (!cli->dir || !*cli->dir)
		cli->dir = default_dir(cli->arena);
	if (!cli->dir)
		return err_set(&cli->err, POD_E_SYNTAX, "which pod? give --dir DIR");
	if (cli->dir[0] == '/')
		return 0;
	if (!getcwd(here, sizeof(here)))
		return err_errno(&cli->err, errno, "current folder");
	cli->dir = arena_printf(cli->arena, "%s/%s", here, cli->dir);
	return cli->dir ? 0 : err_set(&cli->err, POD_E_NOMEM, "folder of the pod");
}

int cli_conf(struct cli *cli, const struct conf **ret_conf)
{
	const char *path;
	int r = cli_find_dir(cli);

	if (r < 0)
		return r;
	if (!cli->conf) {
		path = arena_printf(cli->arena, "%s/podmail.conf", cli->dir);
		r = path ? conf_load(path, cli->arena, NULL, &cli->conf, &cli->err)
		         : err_set(&cli->err, POD_E_NOMEM, "configuration");
		if (r == -POD_E_NOTFOUND) {
			cli->hint = "podctl --dir DIR says which pod is meant; podctl up makes one";
			return err_set(&cli->err, POD_E_NOTFOUND, "there is no pod in %s", cli->dir);
		}
		if (r == -POD_E_CONFIG)
			cli->hint = "podctl config check lists every problem with its line";
		if (r < 0)
			return r;
	}
	*ret_conf = cli->conf;
	return 0;
}

/* ---- failures ---- */

int cli_fail(struct cli *cli)
{
	if (cli->format == CLI_JSON)
		output_error(&cli->err, cli->hint);
	else
		(void) fprintf(stderr, "podctl: %s\n", err_text(&cli->err));
	if (cli->hint && cli->format != CLI_JSON)
		(void) fprintf(stderr, "        %s\n", cli->hint);
	return cli_exit_of(cli->err.code);
}

int cli_fail_with(struct cli *cli, int code, const char *hint, const char *fmt, ...)
{
	char text[sizeof(cli->err.text)];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void) err_set(&cli->err, (enum pod_error) abs(code), "%s", text);
	cli->hint = hint;
	return cli_fail(cli);
}

void cli_note(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	if (cli->quiet)
		return;
	va_start(ap, fmt);
	(void) vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void) fputc('\n', stderr);
}
