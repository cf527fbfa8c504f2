#include <jansson.h>

#include "conf/conf_internal.h"
#include "conf/records.h"
#include "conf/value.h"

static bool is_default(const struct conf *conf, size_t section, size_t item)
{
	const struct conf_loaded *l = (const struct conf_loaded *) (const void *) conf;

	return l->lines[section][item] == 0;
}

static void print_quoted(const char *s, struct buf *out)
{
	buf_add_byte(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, (uint8_t) *s);
	}
	buf_add_byte(out, '"');
}

static void print_value(const struct conf_item *item, const void *values, struct buf *out)
{
	_cleanup_buf_ struct buf value = BUF_INIT;

	conf_value_print(item, values, &value);
	if (conf_type_is_string(item->type))
		print_quoted(buf_str(&value), out);
	else
		buf_add(out, buf_span(&value));
}

/* A block on each line, all of it said. */
static void print_records(const struct conf_item *item, const struct conf_records *records, struct buf *out)
{
	buf_add_byte(out, '[');
	for (size_t i = 0; i < records->n; i++) {
		buf_add_str(out, i ? ",\n        {" : "\n        {");
		for (size_t k = 0; k < item->n_fields; k++) {
			buf_printf(out, " %s = ", item->fields[k].name);
			print_value(&item->fields[k], conf_record_at(item, records, i), out);
			buf_add_byte(out, ';');
		}
		buf_add_str(out, " }");
	}
	buf_add_str(out, records->n ? "\n    ]" : "]");
}

static void print_option(const struct conf *conf, size_t section, size_t i, struct buf *out)
{
	const struct conf_section *s = conf_sections[section];
	const void *values = conf_section_of_const(conf, s);

	buf_printf(out, "    %s%s = ", is_default(conf, section, i) ? "# " : "", s->items[i].name);
	if (s->items[i].type == CONF_TYPE_RECORDS)
		print_records(&s->items[i], conf_value_records(&s->items[i], values), out);
	else
		print_value(&s->items[i], values, out);
	buf_printf(out, ";%s\n", is_default(conf, section, i) ? " # default" : "");
}

void conf_print(const struct conf *conf, struct buf *out)
{
	for (size_t s = 0; s < CONF_SECTIONS; s++) {
		buf_printf(out, "%s%s {\n", s ? "\n" : "", conf_sections[s]->name);
		for (size_t i = 0; i < conf_sections[s]->n; i++)
			print_option(conf, s, i, out);
		buf_add_str(out, "}\n");
	}
}

static json_t *json_value(const struct conf_item *item, const void *section);

static json_t *json_records(const struct conf_item *item, const struct conf_records *records)
{
	json_t *list = json_array();

	for (size_t i = 0; i < records->n; i++) {
		json_t *o = json_object();
		int r = 0;

		for (size_t k = 0; k < item->n_fields; k++)
			r |= json_object_set_new(
				o, item->fields[k].name,
				json_value(&item->fields[k], conf_record_at(item, records, i)));
		if ((json_array_append_new(list, o) | r) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *json_value(const struct conf_item *item, const void *section)
{
	const char *s;

	if (item->type == CONF_TYPE_RECORDS)
		return json_records(item, conf_value_records(item, section));
	if (conf_type_is_string(item->type)) {
		s = conf_value_string(item, section);
		return json_string(s ? s : "");
	}
	if (item->type == CONF_TYPE_BOOL)
		return json_boolean(conf_value_number(item, section));
	if (item->type == CONF_TYPE_CHOICE)
		return json_string(item->choices[conf_value_number(item, section)]);
	return json_integer((json_int_t) conf_value_number(item, section));
}

static int json_option(json_t *to, const struct conf_item *item, const void *section, bool is_default_)
{
	json_t *o = json_object();
	int r = json_object_set_new(o, "value", json_value(item, section));

	if (item->type == CONF_TYPE_SIZE)
		r |= json_object_set_new(o, "unit", json_string("bytes"));
	if (item->type == CONF_TYPE_TIME)
		r |= json_object_set_new(o, "unit", json_string("ms"));
	r |= json_object_set_new(o, "default", json_boolean(is_default_));
	return r | json_object_set_new(to, item->name, o);
}

static json_t *json_all(const struct conf *conf)
{
	json_t *root = json_object();
	int r = 0;

	for (size_t s = 0; s < CONF_SECTIONS; s++) {
		json_t *section = json_object();

		for (size_t i = 0; i < conf_sections[s]->n; i++)
			r |= json_option(section, &conf_sections[s]->items[i],
			                 conf_section_of_const(conf, conf_sections[s]),
			                 is_default(conf, s, i));
		r |= json_object_set_new(root, conf_sections[s]->name, section);
	}
	if (r == 0)
		return root;
	json_decref(root);
	return NULL;
}

int conf_print_json(const struct conf *conf, struct buf *out, struct err *err)
{
	json_t *root = json_all(conf);
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

	json_decref(root);
	if (!text)
		return err_set(err, POD_E_NOMEM, "printing the configuration");
	buf_printf(out, "%s\n", text);
	free(text);
	return out->failed ? err_set(err, POD_E_NOMEM, "printing the configuration") : 0;
}
