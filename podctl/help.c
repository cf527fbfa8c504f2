#include <string.h>

#include "podctl/cli.h"
#include "podctl/wrap.h"

#define TEXT_WIDTH 100

static void print_entry(FILE *out, const char *name, const char *arg, const char *text)
{
	char left[64];

	(void) snprintf(left, sizeof(left), "  %s%s%s", name, arg ? " " : "", arg ? arg : "");
	if (strlen(left) > 25)
		(void) fprintf(out, "%s\n%-26s", left, "");
	else
		(void) fprintf(out, "%-26s", left);
	wrap_print(out, text, 26, TEXT_WIDTH);
}

static void print_options(FILE *out, const char *title, const struct command_option *options)
{
	(void) fprintf(out, "\n%s:\n", title);
	for (const struct command_option *o = options; o->name; o++)
		print_entry(out, o->name, o->arg, o->help);
}

void help_print_all(FILE *out)
{
	(void) fputs(
		"usage: podctl [OPTION...] COMMAND\n\nRuns and administers a pod of podmail.\n\nCommands:\n",
		out);
	for (size_t i = 0; i < command_groups_n; i++)
		print_entry(out, command_groups[i]->name, NULL, command_groups[i]->summary);
	print_options(out, "Options of every command", command_globals);
	(void) fputs("\npodctl COMMAND --help says more.\n", out);
}

void help_print_group(FILE *out, const struct command_group *group)
{
	if (group->n == 1 && !group->commands[0].name[0]) {
		help_print_command(out, group, &group->commands[0]);
		return;
	}
	(void) fprintf(out, "usage: podctl %s COMMAND\n\n%s\n\nCommands:\n", group->name, group->summary);
	for (size_t i = 0; i < group->n; i++)
		print_entry(out, group->commands[i].name, group->commands[i].args,
		            group->commands[i].summary);
	(void) fprintf(out, "\npodctl %s COMMAND --help says more.\n", group->name);
}

void help_print_command(FILE *out, const struct command_group *group, const struct command *command)
{
	(void) fprintf(out, "usage: podctl %s%s%s%s%s%s\n\n", group->name, command->name[0] ? " " : "",
	               command->name, command->options ? " [OPTION...]" : "", command->args[0] ? " " : "",
	               command->args);
	wrap_print(out, command->summary, 0, TEXT_WIDTH);
	if (command->details) {
		(void) fputc('\n', out);
		wrap_print(out, command->details, 0, TEXT_WIDTH);
	}
	if (command->options)
		print_options(out, "Options", command->options);
	print_options(out, "Options of every command", command_globals);
}
