#include <string.h>

#include "base/cleanup.h"
#include "podctl/commands.h"
#include "podctl/output.h"

static void print_words(const char *before, const struct command_option *options)
{
	(void) printf("%s", before);
	for (const struct command_option *o = options; o && o->name; o++)
		(void) printf(" %s", o->name);
}

static void print_group(const struct command_group *group)
{
	(void) printf("    '%s ')", group->name);
	(void) printf(" words='");
	for (size_t i = 0; i < group->n; i++)
		(void) printf("%s%s", i ? " " : "", group->commands[i].name);
	(void) printf("' ;;\n");
	for (size_t i = 0; i < group->n; i++) {
		(void) printf("    '%s %s') options='", group->name, group->commands[i].name);
		print_words("", group->commands[i].options);
		(void) printf("' ;;\n");
	}
}

/*
 * The script: the words before the cursor that are no options (nor their values) name group and command; what
 * fits there comes out of the tables above.
 */
static const char script_head[] =
	"# bash completion for podctl; source it, or put it into "
	"/usr/share/bash-completion/completions/podctl\n"
	"_podctl() {\n"
	"    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
	"    local group= command= words= options= i word\n"
	"    for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"        word=${COMP_WORDS[i]}\n"
	"        case $word in\n";

static const char script_middle[] =
	"        -*) ;;\n"
	"        *) if [[ -z $group ]]; then group=$word; elif [[ -z $command ]]; then command=$word; fi ;;\n"
	"        esac\n"
	"    done\n"
	"    case $previous in\n"
	"    --dir) COMPREPLY=($(compgen -d -- \"$current\")); return ;;\n"
	"    --format) COMPREPLY=($(compgen -W 'table json' -- \"$current\")); return ;;\n"
	"    esac\n";

static const char script_tail[] = "    [[ $current == -* ]] && words=$options\n"
				  "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
				  "}\n"
				  "complete -F _podctl podctl\n";

/* Options whose value is the next word, so that it is not taken for a command. */
static void print_valued(const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++)
		if (o->arg)
			(void) printf("%s|", o->name);
}

static void print_bash(void)
{
	(void) printf("%s        ", script_head);
	for (size_t i = 0; i < command_groups_n; i++)
		for (size_t j = 0; j < command_groups[i]->n; j++)
			print_valued(command_groups[i]->commands[j].options);
	(void) printf("--dir|--format) ((i++)) ;;\n%s", script_middle);
	(void) printf("    case \"$group $command\" in\n    ' ') words='");
	for (size_t i = 0; i < command_groups_n; i++)
		(void) printf("%s%s", i ? " " : "", command_groups[i]->name);
	(void) printf("' ;;\n");
	for (size_t i = 0; i < command_groups_n; i++)
		print_group(command_groups[i]);
	(void) printf("    esac\n    options=\"$options");
	print_words("", command_globals);
	(void) printf("\"\n%s", script_tail);
}

static int run_bash(struct cli *cli)
{
	print_bash();
	return CLI_OK;
}

static const struct command commands[] = {
	{ "bash", "", 0, 0, "Prints the completion script of bash: source <(podctl completion bash)", NULL,
	  NULL, run_bash },
};

const struct command_group command_completion = { "completion", "Completion of commands in the shell.",
	                                          commands, ARRAY_SIZE(commands) };
