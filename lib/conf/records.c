#include "conf/records.h"

#include "conf/value.h"

/* What is being read: where it goes, and what to call it. */
struct reading {
	struct conf_loaded *l;
	const struct conf_section *section;
	const struct conf_item *item;
	struct problems *problems;
};

const struct conf_records *conf_value_records(const struct conf_item *item, const void *section)
{
	return (const struct conf_records *) (const void *) ((const char *) section + item->offset);
}

static void field_set(const struct reading *g, const struct conf_item *field, void *record, unsigned int line,
                      const char *text)
{
	struct err err = { 0 };
	int r = conf_value_set(field, record, span_of(text), g->l->arena, &err);

	if (r == -POD_E_NOMEM)
		g->problems->nomem = true;
	else if (r < 0)
		problem_add(g->problems, line, "%s.%s: %s: %s", g->section->name, g->item->name, field->name,
		            err_text(&err));
}

static void unknown_field(const struct reading *g, const struct ucl_node *n)
{
	const char *names[CONF_ITEMS_MAX];
	const char *near;

	for (size_t i = 0; i < g->item->n_fields; i++)
		names[i] = g->item->fields[i].name;
	near = conf_suggest(n->key, names, g->item->n_fields);
	problem_add(g->problems, n->line, "unknown option %s in %s.%s%s%s%s", n->key, g->section->name,
	            g->item->name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void field_apply(const struct reading *g, const struct ucl_node *n, void *record, unsigned int *lines)
{
	size_t i = 0;

	while (i < g->item->n_fields && strcmp(g->item->fields[i].name, n->key) != 0)
		i++;
	if (i == g->item->n_fields)
		unknown_field(g, n);
	else if (lines[i])
		problem_add(g->problems, n->line, "%s.%s: %s is set in line %u already", g->section->name,
		            g->item->name, n->key, lines[i]);
	else if (n->kind != UCL_TEXT)
		problem_add(g->problems, n->line, "%s.%s: %s: one value is expected", g->section->name,
		            g->item->name, n->key);
	else
		field_set(g, &g->item->fields[i], record, n->line, n->text);
	if (i < g->item->n_fields)
		lines[i] = n->line;
}

static void record_apply(const struct reading *g, const struct ucl_node *block, void *record)
{
	unsigned int lines[CONF_ITEMS_MAX] = { 0 };

	for (const struct ucl_node *n = block->first; n; n = n->next)
		field_apply(g, n, record, lines);
	for (size_t i = 0; i < g->item->n_fields; i++) {
		const struct conf_item *field = &g->item->fields[i];

		if (lines[i])
			continue;
		if (field->default_text)
			field_set(g, field, record, block->line, field->default_text);
		else
			problem_add(g->problems, block->line,
			            "%s.%s: %s is missing in the block that begins here", g->section->name,
			            g->item->name, field->name);
	}
}

/* The blocks of a list; one block alone is a list of one. NULL where there is something else. */
static const struct ucl_node *blocks_of(const struct ucl_node *n, size_t *ret_n)
{
	*ret_n = 0;
	if (n->kind == UCL_BLOCK) {
		*ret_n = 1;
		return n;
	}
	for (const struct ucl_node *e = n->kind == UCL_LIST ? n->first : NULL; e; e = e->next) {
		if (e->kind != UCL_BLOCK)
			return NULL;
		(*ret_n)++;
	}
	return n->kind == UCL_LIST ? n->first : NULL;
}

void conf_records_apply(struct conf_loaded *l, const struct conf_section *s, const struct conf_item *item,
                        const struct ucl_node *n, struct problems *problems)
{
	struct reading g = { l, s, item, problems };
	struct conf_records *to =
		(struct conf_records *) (void *) ((char *) conf_section_of(l, s) + item->offset);
	const struct ucl_node *block;
	char *items;
	size_t count, i = 0;

	*to = (struct conf_records){ 0 };
	if ((n->kind == UCL_TEXT && !*n->text) || (n->kind == UCL_LIST && !n->first))
		return;
	block = blocks_of(n, &count);
	if (!block || count > CONF_RECORDS_MAX) {
		problem_add(problems, n->line,
		            "%s.%s: a list of at most %d blocks is expected, [{ ... }, { ... }]", s->name,
		            item->name, CONF_RECORDS_MAX);
		return;
	}
	items = arena_array(l->arena, count, item->record_size);
	if (!items) {
		problems->nomem = true;
		return;
	}
	for (; i < count; i++, block = block->next)
		record_apply(&g, block, items + i * item->record_size);
	*to = (struct conf_records){ items, count };
}
