#include "conf/conf_internal.h"
#include "conf/records.h"
#include "conf/value.h"

#define LIST_TEXT_MAX 65536

/* clang-format off */
const struct conf_section *const conf_sections[CONF_SECTIONS] = {
	&conf_section_pod,
	&conf_section_tls,
	&conf_section_log,
	&conf_section_mta,
	&conf_section_imapd,
	&conf_section_stored,
	&conf_section_podd,
	&conf_section_replication,
	&conf_section_outbound,
	&conf_section_filter,
	&conf_section_dns,
	&conf_section_submission,
	&conf_section_guard,
	&conf_section_auth,
};
/* clang-format on */

static void unknown(struct problems *problems, const struct ucl_node *n, const char *in,
                    const char *const *names, size_t names_n)
{
	const char *near = conf_suggest(n->key, names, names_n);

	problem_add(problems, n->line, "unknown %s %s%s%s%s%s%s", in ? "option" : "section", n->key,
	            in ? " in " : "", in ? in : "", near ? "; did you mean " : "", near ? near : "",
	            near ? "?" : "");
}

/* A list's texts, comma separated. */
static int list_text(const struct ucl_node *list, struct buf *out, struct err *err)
{
	for (const struct ucl_node *n = list->first; n; n = n->next) {
		if (n->kind != UCL_TEXT)
			return err_set(err, POD_E_SYNTAX, "a list of texts is expected");
		buf_printf(out, "%s%s", out->len ? ", " : "", n->text);
	}
	return out->failed ? err_set(err, POD_E_SYNTAX, "the list is too long") : 0;
}

static int node_text(const struct conf_item *item, const struct ucl_node *n, struct buf *out, struct err *err)
{
	if (n->kind == UCL_LIST && item->type == CONF_TYPE_LIST)
		return list_text(n, out, err);
	if (n->kind != UCL_TEXT)
		return err_set(err, POD_E_SYNTAX, "one value is expected, not a %s",
		               n->kind == UCL_LIST ? "list" : "block");
	buf_add_str(out, n->text);
	return 0;
}

static void option_apply(struct conf_loaded *l, const struct conf_section *s, const struct conf_item *item,
                         const struct ucl_node *n, struct problems *problems)
{
	_cleanup_buf_ struct buf text = { .limit = LIST_TEXT_MAX };
	struct err err = { 0 };
	int r;

	if (item->type == CONF_TYPE_RECORDS) {
		conf_records_apply(l, s, item, n, problems);
		return;
	}
	r = node_text(item, n, &text, &err);
	if (r == 0)
		r = conf_value_set(item, conf_section_of(l, s), buf_span(&text), l->arena, &err);
	if (r == -POD_E_NOMEM)
		problems->nomem = true;
	else if (r < 0)
		problem_add(problems, n->line, "%s.%s: %s", s->name, item->name, err_text(&err));
}

static void unknown_option(const struct conf_section *s, const struct ucl_node *n, struct problems *problems)
{
	const char *names[CONF_ITEMS_MAX];

	for (size_t i = 0; i < s->n; i++)
		names[i] = s->items[i].name;
	unknown(problems, n, s->name, names, s->n);
}

static size_t item_index(const struct conf_section *s, const char *name)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->items[i].name, name) != 0)
		i++;
	return i;
}

static void section_apply(struct conf_loaded *l, size_t section, const struct ucl_node *block,
                          struct problems *problems)
{
	const struct conf_section *s = conf_sections[section];

	for (const struct ucl_node *n = block->first; n; n = n->next) {
		size_t i = item_index(s, n->key);

		if (i == s->n) {
			unknown_option(s, n, problems);
		} else if (l->lines[section][i]) {
			problem_add(problems, n->line, "%s.%s is set in line %u already", s->name, n->key,
			            l->lines[section][i]);
		} else {
			l->lines[section][i] = n->line;
			option_apply(l, s, &s->items[i], n, problems);
		}
	}
}

static void block_apply(struct conf_loaded *l, const struct ucl_node *n, struct problems *problems)
{
	const char *names[CONF_SECTIONS];

	for (size_t i = 0; i < CONF_SECTIONS; i++) {
		names[i] = conf_sections[i]->name;
		if (strcmp(names[i], n->key) != 0)
			continue;
		if (n->kind != UCL_BLOCK)
			problem_add(problems, n->line, "%s is a section: its options stand in braces",
			            n->key);
		else if (l->section_lines[i])
			problem_add(problems, n->line, "section %s was there in line %u already", n->key,
			            l->section_lines[i]);
		else {
			l->section_lines[i] = n->line;
			section_apply(l, i, n, problems);
		}
		return;
	}
	unknown(problems, n, NULL, names, CONF_SECTIONS);
}

static void defaults_apply(struct conf_loaded *l, size_t section, struct problems *problems)
{
	const struct conf_section *s = conf_sections[section];

	for (size_t i = 0; i < s->n; i++) {
		const struct ucl_node n = { .kind = UCL_TEXT, .text = s->items[i].default_text };

		option_apply(l, s, &s->items[i], &n, problems);
	}
}

void conf_apply(struct conf_loaded *l, const struct ucl_node *root, struct problems *problems)
{
	for (size_t i = 0; i < CONF_SECTIONS; i++)
		defaults_apply(l, i, problems);
	for (const struct ucl_node *n = root->first; n; n = n->next)
		block_apply(l, n, problems);
}

unsigned int conf_line_of(const struct conf_loaded *l, const void *field)
{
	for (size_t s = 0; s < CONF_SECTIONS; s++)
		for (size_t i = 0; i < conf_sections[s]->n; i++)
			if ((const char *) &l->conf + conf_sections[s]->offset +
			            conf_sections[s]->items[i].offset ==
			    field)
				return l->lines[s][i];
	return 0;
}
