#include "conf/conf_internal.h"

static const char *const type_words[CONF_TYPES] = {
	[CONF_TYPE_STRING] = "text",  [CONF_TYPE_PATH] = "path",     [CONF_TYPE_LIST] = "list",
	[CONF_TYPE_COUNT] = "number", [CONF_TYPE_SIZE] = "size",     [CONF_TYPE_TIME] = "duration",
	[CONF_TYPE_BOOL] = "yes|no",  [CONF_TYPE_CHOICE] = "choice", [CONF_TYPE_RECORDS] = "blocks",
};

/* groff(7): a backslash begins an escape, a leading dot or quote a request, and "-" may become a hyphen. */
static void print_text(FILE *f, const char *s)
{
	if (*s == '.' || *s == '\'')
		(void) fputs("\\&", f);
	for (; *s; s++) {
		if (*s == '\\')
			(void) fputs("\\e", f);
		else if (*s == '-')
			(void) fputs("\\-", f);
		else if (*s == '"')
			(void) fputs("\\(dq", f);
		else
			(void) fputc(*s, f);
	}
}

static void print_choices(FILE *f, const struct conf_item *item)
{
	(void) fputs("One of ", f);
	for (size_t i = 0; item->choices[i]; i++)
		(void) fprintf(f, "%s\\fB%s\\fR", i ? ", " : "", item->choices[i]);
	(void) fputs(".\n", f);
}

static void print_default(FILE *f, const struct conf_item *item)
{
	if (!item->default_text) {
		(void) fputs("Has to be given.\n", f);
		return;
	}
	(void) fputs("Default: ", f);
	print_text(f, item->derived ? item->derived : item->default_text[0] ? item->default_text : "empty");
	if (item->lowest)
		(void) fprintf(f, "; from %s to %s", item->lowest, item->highest);
	(void) fputs(".\n", f);
}

static void print_item(FILE *f, const struct conf_item *item)
{
	(void) fprintf(f, ".TP\n.BI \"%s = \" %s\n", item->name, type_words[item->type]);
	print_text(f, item->help);
	(void) fputc('\n', f);
	if (item->type == CONF_TYPE_CHOICE)
		print_choices(f, item);
	print_default(f, item);
}

/* What stands in a block, indented; where an option before it has the same blocks, their name will do. */
static void print_fields(FILE *f, const struct conf_item *items, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (items[k].fields == items[i].fields) {
			(void) fprintf(f, "Blocks as in \\fB%s\\fR.\n", items[k].name);
			return;
		}
	(void) fputs("In a block:\n.RS\n", f);
	for (size_t k = 0; k < items[i].n_fields; k++)
		print_item(f, &items[i].fields[k]);
	(void) fputs(".RE\n", f);
}

static void print_items(FILE *f, const struct conf_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_item(f, &items[i]);
		if (items[i].type == CONF_TYPE_RECORDS)
			print_fields(f, items, i);
	}
}

void conf_print_man(FILE *f)
{
	for (size_t s = 0; s < CONF_SECTIONS; s++) {
		(void) fprintf(f, ".SS Section %s\n", conf_sections[s]->name);
		print_text(f, conf_sections[s]->help);
		(void) fputc('\n', f);
		print_items(f, conf_sections[s]->items, conf_sections[s]->n);
	}
}
