/* What podfilter is asked over its control socket (mta/podfilter/control/control.h). One thread. */
#ifndef PODCTL_PODD_FILTER_LINK_H
#define PODCTL_PODD_FILTER_LINK_H

#include "podctl/podd/api.h"

/*
 * Asks a method and answers the call with what came: its object, or its error. in is taken. hint: what to do
 * about an error POD_E_BUSY; NULL: what is said in general.
 */
void filter_call(struct api_call *call, const char *method, json_t *in, const char *busy_hint);

#endif
