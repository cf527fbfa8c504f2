/* filter.weights: points that the admin gives findings in the place of the checks' own. In hundredths. */
#ifndef POD_FILTER_WEIGHTS_H
#define POD_FILTER_WEIGHTS_H

#include "base/err.h"

struct weights;

/* The texts stay with the configuration, which has to outlive them; free() frees it. */
int weights_parse(const char *list, struct weights **ret_weights, struct err *err);
int weights_of(const struct weights *w, const char *symbol, int otherwise);

#endif
