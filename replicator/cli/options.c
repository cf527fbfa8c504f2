#include "replicator/cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define OPTION_NAME_SIZE 64
#define HELP_INDENT      22
#define HELP_WIDTH       100
#define OPTION_HELP      1 /* values of rows begin behind it */

/* What getopt_long knows of, made from the rows. */
struct parsed {
	struct option *options;
	char (*names)[OPTION_NAME_SIZE];
	const struct conf_item **items;
	const struct option_rows **owners;
	size_t n;
};

static void parsed_done(struct parsed *p)
{
	free(p->options);
	free(p->names);
	free(p->items);
	free(p->owners);
}

static void option_name(const struct conf_item *item, char name[OPTION_NAME_SIZE])
{
	(void) snprintf(name, OPTION_NAME_SIZE, "%s", item->name);
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
}

static void parsed_add(struct parsed *p, const struct option_rows *rows, const struct conf_item *item)
{
	option_name(item, p->names[p->n]);
	p->items[p->n] = item;
	p->owners[p->n] = rows;
	p->options[p->n] = (struct option){ p->names[p->n],
		                            item->type == CONF_TYPE_BOOL ? no_argument : required_argument,
		                            NULL, OPTION_HELP + 1 + (int) p->n };
	p->n++;
}

static int parsed_init(struct parsed *p, const struct option_rows *rows, size_t rows_n)
{
	size_t n = 0;

	for (size_t i = 0; i < rows_n; i++)
		n += rows[i].n;
	*p = (struct parsed){
		.options = calloc(n + 2, sizeof(*p->options)),
		.names = calloc(n + 1, sizeof(*p->names)),
		.items = calloc(n + 1, sizeof(*p->items)),
		.owners = calloc(n + 1, sizeof(*p->owners)),
	};
	if (!p->options || !p->names || !p->items || !p->owners)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < rows_n; i++)
		for (size_t j = 0; j < rows[i].n; j++)
			parsed_add(p, &rows[i], &rows[i].items[j]);
	p->options[p->n] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	return 0;
}

/* ---- help ---- */

/* Words up to the width, further lines under the first. */
static void print_wrapped(const char *text, int at)
{
	while (*text) {
		int word = (int) strcspn(text, " ");

		if (at + word > HELP_WIDTH) {
			(void) printf("\n%*s", HELP_INDENT, "");
			at = HELP_INDENT;
		}
		(void) printf("%.*s ", word, text);
		at += word + 1;
		text += word;
		text += strspn(text, " ");
	}
}

static void print_row(const struct conf_item *item)
{
	char name[OPTION_NAME_SIZE];
	int at;

	option_name(item, name);
	at = printf("  --%s", name);
	if (at >= HELP_INDENT - 1)
		at = printf("\n") - 1;
	(void) printf("%*s", HELP_INDENT - at, "");
	print_wrapped(item->help, HELP_INDENT);
	if (item->type != CONF_TYPE_BOOL && *item->default_text)
		(void) printf("(%s)", item->default_text);
	(void) putchar('\n');
}

static void print_help(const char *usage, const struct parsed *p)
{
	(void) fputs(usage, stdout);
	(void) putchar('\n');
	for (size_t i = 0; i < p->n; i++)
		print_row(p->items[i]);
	(void) fputs("\nExit status: 0 good; 1 it could not be done; 2 wrong usage. See replicator(8).\n",
	             stdout);
}

/* ---- the command line ---- */

int options_wrong(const char *command, const struct err *err)
{
	(void) fprintf(stderr, "replicator %s: %s\nTry replicator %s --help.\n", command, err_text(err),
	               command);
	return REPLICATOR_EXIT_USAGE;
}

static int take_one(const char *command, const struct parsed *p, size_t i)
{
	const struct option_rows *rows = p->owners[i];
	struct err err = { 0 };
	int r = rows->take(rows->arg, p->items[i], optarg ? optarg : "yes", &err);

	if (r == 0)
		return -1;
	(void) err_wrap(&err, r, "--%s", p->names[i]);
	return options_wrong(command, &err);
}

static int parse(const char *command, const char *usage, const struct parsed *p, int argc, char **argv)
{
	int option, r = -1;

	opterr = 1; /* getopt says which option is unknown or lacks its value */
	while (r < 0 && (option = getopt_long(argc, argv, "", p->options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			print_help(usage, p);
			return REPLICATOR_EXIT_GOOD;
		}
		if (option == '?') {
			(void) fprintf(stderr, "Try replicator %s --help.\n", command);
			return REPLICATOR_EXIT_USAGE;
		}
		r = take_one(command, p, (size_t) (option - OPTION_HELP - 1));
	}
	if (r < 0 && optind < argc) {
		(void) fprintf(stderr, "replicator %s: \"%s\" is no option. Try replicator %s --help.\n",
		               command, argv[optind], command);
		return REPLICATOR_EXIT_USAGE;
	}
	return r;
}

int options_parse(const char *command, const char *usage, const struct option_rows *rows, size_t rows_n,
                  int argc, char **argv)
{
	__attribute__((cleanup(parsed_done))) struct parsed p;

	if (parsed_init(&p, rows, rows_n) < 0) {
		(void) fputs("replicator: out of memory\n", stderr);
		return REPLICATOR_EXIT_FAILED;
	}
	return parse(command, usage, &p, argc, argv);
}
