#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "podctl/podd/route.h"

static void handler(struct api_call *call)
{
}

static const struct route routes[] = {
	{ "GET", "/users", handler },
	{ "POST", "/users", handler },
	{ "GET", "/users/:address", handler },
	{ "DELETE", "/groups/:address/members/:member", handler },
};

static void paths_find_their_route_or_an_error_that_says_what_is_wrong(void **state)
{
	static const struct {
		const char *method, *path;
		int r;
		size_t route;
		const char *params[2];
	} cases[] = {
		{ "GET", "/users", 0, 0, { NULL } },
		{ "POST", "/users", 0, 1, { NULL } },
		{ "DELETE", "/users", -POD_E_UNSUPPORTED, 0, { NULL } },
		{ "GET", "/users/a@example.test", 0, 2, { "a@example.test" } },
		{ "GET", "/users/a%40example.test", 0, 2, { "a@example.test" } },
		{ "GET", "/users/a%2fb@x", 0, 2, { "a/b@x" } },
		{ "GET", "/users/", -POD_E_NOTFOUND, 0, { NULL } },
		{ "GET", "/users/a/b", -POD_E_NOTFOUND, 0, { NULL } },
		{ "GET", "/user", -POD_E_NOTFOUND, 0, { NULL } },
		{ "GET", "", -POD_E_NOTFOUND, 0, { NULL } },
		{ "GET", "/users/%4", -POD_E_SYNTAX, 0, { NULL } },
		{ "GET", "/users/%zz", -POD_E_SYNTAX, 0, { NULL } },
		{ "GET", "/users/a%00b", -POD_E_SYNTAX, 0, { NULL } },
		{ "DELETE", "/groups/all@x/members/b@x", 0, 3, { "all@x", "b@x" } },
		{ "DELETE", "/groups/all@x/members", -POD_E_NOTFOUND, 0, { NULL } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct route_match m = { 0 };

		assert_int_equal(route_find(routes, ARRAY_SIZE(routes), cases[i].method,
		                            span_of(cases[i].path), a, &m, NULL),
		                 cases[i].r);
		if (cases[i].r < 0) {
			assert_null(m.route);
			continue;
		}
		assert_ptr_equal(m.route, &routes[cases[i].route]);
		for (size_t j = 0; j < 2 && cases[i].params[j]; j++)
			assert_string_equal(m.params[j], cases[i].params[j]);
	}
}

static void a_path_over_the_limit_is_refused(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4096);
	static char path[ROUTE_PATH_MAX + 2];
	struct route_match m;

	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, "/users/", 7);
	assert_int_equal(route_find(routes, ARRAY_SIZE(routes), "GET", span_of(path), a, &m, NULL),
	                 -POD_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_their_route_or_an_error_that_says_what_is_wrong),
		cmocka_unit_test(a_path_over_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
