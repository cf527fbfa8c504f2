#include "http/internal.h"

void http_call(const struct http_ask *ask, http_fn *fn, void *arg)
{
	struct exchange x = { 0 };
	struct err err = { 0 };
	int r = exchange_init(&x, ask, &err);
	struct http_answer answer = { .r = r, .type = "", .body = SPAN_NONE, .why = err_text(&err) };

	if (r == 0)
		answer = exchange_answer(&x, curl_easy_perform(x.easy));
	fn(arg, &answer);
	exchange_done(&x);
}
