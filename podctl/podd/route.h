/*
 * Which handler answers a request: a table of methods and path patterns. Pure, no I/O.
 * A pattern's ":name" stands for one segment, percent-decoded.
 */
#ifndef PODCTL_PODD_ROUTE_H
#define PODCTL_PODD_ROUTE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct api_call;
typedef void api_handler(struct api_call *call);

struct route {
	const char *method;  /* "GET" */
	const char *pattern; /* "/users/:address" */
	api_handler *handler;
};

#define ROUTE_PARAMS_MAX 3
#define ROUTE_PATH_MAX   2048

struct route_match {
	const struct route *route;
	const char *params[ROUTE_PARAMS_MAX]; /* in the order of the pattern; valid UTF-8 is not promised */
};

/*
 * Finds the route of a path (without query). Parameters are copied into a.
 *   -POD_E_NOTFOUND     no such path
 *   -POD_E_UNSUPPORTED  the path is there, but not with this method
 *   -POD_E_SYNTAX       a wrong percent escape, or an encoded NUL
 *   -POD_E_LIMIT        longer than ROUTE_PATH_MAX
 */
int route_find(const struct route *routes, size_t n, const char *method, struct span path, struct arena *a,
               struct route_match *ret_match, struct err *err);

#endif
