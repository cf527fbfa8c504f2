#include "podctl/man.h"

#include <string.h>

#include "podctl/command.h"

/* groff(7): a hyphen is a minus in names that are to be typed, a line must not begin with a control
 * character. */
static void print_text(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void) fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '-')
			(void) fputs("\\-", out);
		else if (*text == '\\')
			(void) fputs("\\e", out);
		else if (*text == '\n')
			(void) fputs("\n.br\n", out);
		else
			(void) fputc(*text, out);
	}
}

static void print_paragraph(FILE *out, const char *text)
{
	print_text(out, text);
	(void) fputc('\n', out);
}

static void print_options(FILE *out, const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		(void) fputs(".TP\n\\fB", out);
		print_text(out, o->name);
		(void) fputs("\\fR", out);
		if (o->arg) {
			(void) fputs(" \\fI", out);
			print_text(out, o->arg);
			(void) fputs("\\fR", out);
		}
		(void) fputc('\n', out);
		print_paragraph(out, o->help);
	}
}

static void print_command(FILE *out, const struct command_group *group, const struct command *command)
{
	(void) fputs(".SS \"", out);
	print_text(out, group->name);
	(void) fputs(command->name[0] ? " " : "", out);
	print_text(out, command->name);
	(void) fputs(command->options ? " [OPTION...]" : "", out);
	(void) fputs(command->args[0] ? " " : "", out);
	print_text(out, command->args);
	(void) fputs("\"\n", out);
	print_paragraph(out, command->summary);
	if (command->details)
		print_paragraph(out, command->details);
	print_options(out, command->options);
}

void man_print_commands(FILE *out)
{
	(void) fputs(".SH OPTIONS\nOptions of every command, before or behind it:\n", out);
	print_options(out, command_globals);
	(void) fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < command_groups_n; i++)
		for (size_t j = 0; j < command_groups[i]->n; j++)
			print_command(out, command_groups[i], &command_groups[i]->commands[j]);
}
