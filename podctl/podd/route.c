#include "podctl/podd/route.h"

#include <stdbool.h>

/* pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 2.1). The decoded byte, or -1 also for NUL, which no name holds.
 */
static int percent_byte(struct span in)
{
	int byte = in.len >= 3 ? ascii_hex_pair(in.p + 1) : -1;

	return byte > 0 ? byte : -1;
}

static int percent_decode(struct span in, struct arena *a, const char **ret_text, struct err *err)
{
	char *out = arena_alloc(a, in.len + 1);
	size_t n = 0;

	if (!out)
		return err_set(err, POD_E_NOMEM, "request path");
	while (in.len > 0) {
		int c = in.p[0] == '%' ? percent_byte(in) : in.p[0];

		if (c <= 0)
			return err_set(err, POD_E_SYNTAX, "wrong percent escape in the path");
		out[n++] = (char) c;
		in = span_skip(in, in.p[0] == '%' ? 3 : 1);
	}
	*ret_text = out;
	return 0;
}

/* Compares segment by segment; those of ":name" are left in params, still encoded. */
static bool pattern_matches(const char *pattern, struct span path, struct span params[ROUTE_PARAMS_MAX],
                            size_t *ret_n)
{
	struct span want = span_of(pattern), have = path;
	size_t n = 0;

	while (want.p && have.p) {
		struct span w = span_split(want, '/', &want), h = span_split(have, '/', &have);

		if (w.len > 0 && w.p[0] == ':') {
			if (h.len == 0 || n == ROUTE_PARAMS_MAX)
				return false;
			params[n++] = h;
		} else if (!span_eq(w, h)) {
			return false;
		}
	}
	*ret_n = n;
	return !want.p && !have.p;
}

int route_find(const struct route *routes, size_t n, const char *method, struct span path, struct arena *a,
               struct route_match *ret_match, struct err *err)
{
	struct span params[ROUTE_PARAMS_MAX];
	bool path_known = false;

	if (path.len > ROUTE_PATH_MAX)
		return err_set(err, POD_E_LIMIT, "the path is too long");
	for (size_t i = 0; i < n; i++) {
		struct route_match match = { .route = &routes[i] };
		size_t params_n;
		int r = 0;

		if (!pattern_matches(routes[i].pattern, path, params, &params_n))
			continue;
		path_known = true;
		if (strcmp(routes[i].method, method) != 0)
			continue;
		for (size_t j = 0; r == 0 && j < params_n; j++)
			r = percent_decode(params[j], a, &match.params[j], err);
		if (r == 0)
			*ret_match = match;
		return r;
	}
	if (path_known)
		return err_set(err, POD_E_UNSUPPORTED, "%s is not possible here", method);
	return err_set(err, POD_E_NOTFOUND, "no such path in this API");
}
