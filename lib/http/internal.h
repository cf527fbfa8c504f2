/* What both ways of asking share: a request as libcurl's handle, and the handle's result as an answer. */
#ifndef POD_HTTP_INTERNAL_H
#define POD_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "http/http.h"

struct exchange {
	CURL *easy;
	struct curl_slist *resolve, *fields;
	struct buf body; /* its limit is answer_max */
	enum http_overlong overlong;
	char error[CURL_ERROR_SIZE];
};

/* libcurl's own, once in a process, whoever comes first. */
void http_library_init(void);

/* x is all zeroes before; exchange_done() is due after failure, too. */
int exchange_init(struct exchange *x, const struct http_ask *ask, struct err *err);
void exchange_done(struct exchange *x);
/* The answer points into x. */
struct http_answer exchange_answer(const struct exchange *x, CURLcode code);

#endif
