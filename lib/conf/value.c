#include "conf/value.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* The largest first: printing takes the first that divides. */
static const struct unit size_units[] = {
	{ "T", 1ull << 40 }, { "G", 1ull << 30 }, { "M", 1ull << 20 },
	{ "K", 1ull << 10 }, { "", 1 },           { NULL, 0 },
};
static const struct unit time_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};
static const struct unit count_units[] = { { "", 1 }, { NULL, 0 } };

static const struct {
	const char *word;
	bool value;
} bools[] = {
	{ "no", false },  { "yes", true },  { "false", false },
	{ "true", true }, { "off", false }, { "on", true },
};

static const struct {
	const struct unit *units;
	const char *expected;
} numbers[CONF_TYPES] = {
	[CONF_TYPE_COUNT] = { count_units, "a number" },
	[CONF_TYPE_SIZE] = { size_units, "a size such as 64K, 10M or 2G" },
	[CONF_TYPE_TIME] = { time_units, "a duration with its unit, such as 500ms, 30s, 5m, 2h or 7d" },
};

bool conf_type_is_string(enum conf_type type)
{
	return type == CONF_TYPE_STRING || type == CONF_TYPE_PATH || type == CONF_TYPE_LIST;
}

static void *field(const struct conf_item *item, void *section)
{
	return (char *) section + item->offset;
}

static const void *field_const(const struct conf_item *item, const void *section)
{
	return (const char *) section + item->offset;
}

const char *conf_value_string(const struct conf_item *item, const void *section)
{
	return *(const char *const *) field_const(item, section);
}

uint64_t conf_value_number(const struct conf_item *item, const void *section)
{
	const void *at = field_const(item, section);

	if (item->type == CONF_TYPE_SIZE || item->type == CONF_TYPE_TIME)
		return *(const uint64_t *) at;
	if (item->type == CONF_TYPE_BOOL)
		return *(const bool *) at;
	return *(const unsigned int *) at;
}

/* ---- numbers ---- */

static const struct unit *unit_find(const struct unit *units, struct span suffix)
{
	for (; units->suffix; units++)
		if (span_eq_nocase(span_of(units->suffix), suffix))
			return units;
	return NULL;
}

static int number_parse(enum conf_type type, struct span text, uint64_t *ret_value, struct err *err)
{
	const struct unit *unit;
	size_t digits = 0;
	uint64_t v;

	while (digits < text.len && ascii_is_digit(text.p[digits]))
		digits++;
	unit = unit_find(numbers[type].units, span_trim(span_skip(text, digits)));
	if (span_to_u64(span_head(text, digits), &v) < 0)
		unit = NULL;
	else if (v == 0 && digits == text.len) /* nothing is nothing in any unit */
		unit = &count_units[0];
	if (!unit || __builtin_mul_overflow(v, unit->factor, &v))
		return err_set(err, POD_E_SYNTAX, "%s is expected", numbers[type].expected);
	*ret_value = v;
	return 0;
}

static int number_set(const struct conf_item *item, void *at, struct span text, struct err *err)
{
	uint64_t v, lowest = 0, highest = 0;
	int r = number_parse(item->type, text, &v, err);

	if (r == 0)
		r = number_parse(item->type, span_of(item->lowest), &lowest, err);
	if (r == 0)
		r = number_parse(item->type, span_of(item->highest), &highest, err);
	if (r < 0)
		return r;
	if (v < lowest || v > highest)
		return err_set(err, POD_E_SYNTAX, "a value from %s to %s is expected", item->lowest,
		               item->highest);
	if (item->type == CONF_TYPE_COUNT)
		*(unsigned int *) at = (unsigned int) v; /* within bounds that fit, see the tables' test */
	else
		*(uint64_t *) at = v;
	return 0;
}

static void number_print(enum conf_type type, uint64_t v, struct buf *out)
{
	const struct unit *u = numbers[type].units;

	while (v % u->factor || (v == 0 && u[1].suffix))
		u++;
	buf_printf(out, "%llu%s", (unsigned long long) (v / u->factor), v ? u->suffix : "");
}

/* ---- words ---- */

static int bool_set(void *at, struct span text, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(bools); i++)
		if (span_eq_nocase(span_of(bools[i].word), text)) {
			*(bool *) at = bools[i].value;
			return 0;
		}
	return err_set(err, POD_E_SYNTAX, "yes or no is expected");
}

static int choice_set(const struct conf_item *item, void *at, struct span text, struct err *err)
{
	_cleanup_buf_ struct buf all = BUF_INIT;

	for (unsigned int i = 0; item->choices[i]; i++) {
		if (span_eq_nocase(span_of(item->choices[i]), text)) {
			*(unsigned int *) at = i;
			return 0;
		}
		buf_printf(&all, "%s%s", i ? ", " : "", item->choices[i]);
	}
	return err_set(err, POD_E_SYNTAX, "one of %s is expected", buf_str(&all));
}

/* ---- texts ---- */

static int list_check(const struct conf_item *item, struct span text, struct err *err)
{
	struct span rest = text;

	while (rest.p) {
		struct span one = span_trim(span_split(rest, ',', &rest));
		int r = one.len ? item->check(one, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int text_check(const struct conf_item *item, struct span text, struct err *err)
{
	if (item->type == CONF_TYPE_LIST)
		return list_check(item, text, err);
	return item->check ? item->check(text, err) : 0;
}

static int string_set(const struct conf_item *item, void *at, struct span text, struct arena *a,
                      struct err *err)
{
	int r = text_check(item, text, err);
	char *s;

	if (r < 0)
		return r;
	s = arena_str(a, text);
	if (!s)
		return err_set(err, POD_E_NOMEM, "reading the configuration");
	for (char *c = s; item->lower_case && *c; c++)
		*c = (char) ascii_lower((uint8_t) *c);
	*(const char **) at = s;
	return 0;
}

int conf_value_set(const struct conf_item *item, void *section, struct span text, struct arena *a,
                   struct err *err)
{
	void *at = field(item, section);

	if (conf_type_is_string(item->type))
		return string_set(item, at, text, a, err);
	if (item->type == CONF_TYPE_BOOL)
		return bool_set(at, text, err);
	if (item->type == CONF_TYPE_CHOICE)
		return choice_set(item, at, text, err);
	return number_set(item, at, text, err);
}

void conf_value_print(const struct conf_item *item, const void *section, struct buf *out)
{
	const char *s;

	if (conf_type_is_string(item->type)) {
		s = conf_value_string(item, section);
		buf_add_str(out, s ? s : "");
	} else if (item->type == CONF_TYPE_BOOL) {
		buf_add_str(out, conf_value_number(item, section) ? "yes" : "no");
	} else if (item->type == CONF_TYPE_CHOICE) {
		buf_add_str(out, item->choices[conf_value_number(item, section)]);
	} else {
		number_print(item->type, conf_value_number(item, section), out);
	}
}
