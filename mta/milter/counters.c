#include "mta/milter/counters.h"

#include "base/cleanup.h"

/* A metric's name has a limit, a milter's name a larger one. */
#define LABEL_MAX 40

static const struct {
	const char *name, *help;
} rows_of_one[MILTER_COUNTERS] = {
	[MILTER_COUNT_QUESTIONS] = { "podmail_mta_milter_answers_total", "Steps that a milter answered" },
	[MILTER_COUNT_MICROSECONDS] = { "podmail_mta_milter_microseconds_total",
	                                "Time it took to answer, summed over all of them" },
	[MILTER_COUNT_REFUSALS] = { "podmail_mta_milter_refusals_total",
	                            "Answers that refuse, for now or for good" },
	[MILTER_COUNT_DISCARDS] = { "podmail_mta_milter_discards_total", "Messages taken and dropped" },
	[MILTER_COUNT_FAILURES] = { "podmail_mta_milter_failures_total",
	                            "Times it could not be asked, did not answer or broke the protocol" },
};

static void add_name(struct milter_counted *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->names[i], name) == 0)
			return;
	c->names[c->n++] = name;
}

int milter_counted_make(struct arena *a, const struct mta_conf *conf, const char *own, size_t first,
                        struct milter_counted *ret_counted)
{
	const struct conf_records *lists[] = { &conf->milters, &conf->submission_milters,
		                               &conf->lmtp_milters };
	struct milter_counted c = { .first = first };
	size_t most = 1;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		most += lists[i]->n;
	c.names = arena_array(a, most, sizeof(*c.names));
	if (!c.names)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < lists[i]->n; k++)
			add_name(&c, ((const struct conf_milter *) lists[i]->items)[k].name);
	if (own)
		add_name(&c, own);
	*ret_counted = c;
	return 0;
}

const struct metric_item *milter_counted_rows(struct arena *a, const struct metric_item *rows,
                                              const struct milter_counted *counted, size_t *ret_n)
{
	size_t n = counted->first + counted->n * MILTER_COUNTERS;
	struct metric_item *all = arena_array(a, n, sizeof(*all));

	if (!all)
		return NULL;
	memcpy(all, rows, counted->first * sizeof(*all));
	for (size_t i = 0; i < counted->n; i++)
		for (size_t k = 0; k < MILTER_COUNTERS; k++) {
			struct metric_item *row = &all[counted->first + i * MILTER_COUNTERS + k];

			*row = (struct metric_item){ METRIC_COUNTER,
				                     arena_printf(a, "%s{milter=\"%.*s\"}",
				                                  rows_of_one[k].name, LABEL_MAX,
				                                  counted->names[i]),
				                     rows_of_one[k].help };
			if (!row->name)
				return NULL;
		}
	*ret_n = n;
	return all;
}

size_t milter_counted_find(const struct milter_counted *counted, const char *name)
{
	for (size_t i = 0; counted && i < counted->n; i++)
		if (strcmp(counted->names[i], name) == 0)
			return counted->first + i * MILTER_COUNTERS;
	return MILTER_NOT_COUNTED;
}

void milter_count(size_t row, enum milter_counter which, int64_t n)
{
	if (row != MILTER_NOT_COUNTED)
		metric_add(row + which, n);
}
