/* filter.weights: points that the admin gives findings in the place of the checks' own. */
#include "mta/podfilter/weights.h"

#include <stdlib.h>
#include <string.h>

#include "conf/filter.h"

struct weights {
	size_t n;
	struct filter_weight items[];
};

int weights_parse(const char *list, struct weights **ret_weights, struct err *err)
{
	struct span rest = span_of(list);
	struct weights *w;
	size_t commas = 0;
	int r = 0;

	for (const char *p = list; *p; p++)
		commas += *p == ',';
	w = calloc(1, sizeof(*w) + (commas + 1) * sizeof(w->items[0]));
	if (!w)
		return err_set(err, POD_E_NOMEM, "weights");
	while (r == 0 && rest.p) {
		struct span one = span_trim(span_split(rest, ',', &rest));

		if (one.len && (r = filter_weight_parse(one, &w->items[w->n], err)) == 0)
			w->n++;
	}
	if (r < 0)
		free(w);
	else
		*ret_weights = w;
	return r;
}

int weights_of(const struct weights *w, const char *symbol, int otherwise)
{
	for (size_t i = 0; w && i < w->n; i++)
		if (span_eq(w->items[i].symbol, span_of(symbol)))
			return w->items[i].hundredths;
	return otherwise;
}
