#include "mta/podfilter/rspamd.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "http/http.h"

#define TIMEOUT_MS 10000
#define ANSWER_MAX 2000

struct lesson_result {
	int r;
	struct err *err;
};

/* What statuses say that are no success; any other is about the message. */
static const struct {
	unsigned first, last;
	int error;
} refusals[] = {
	{ 401, 401, POD_E_UNAVAILABLE }, /* the password is wrong, which an admin will mend */
	{ 403, 403, POD_E_UNAVAILABLE },
	{ 404, 404, POD_E_NOTFOUND },
	{ 500, 599, POD_E_UNAVAILABLE },
};

static int error_of(unsigned status)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (status >= refusals[i].first && status <= refusals[i].last)
			return refusals[i].error;
	return POD_E_DENIED;
}

/* Success is also 204, too few words to learn from, and 208, learnt before. */
static void lesson_on_answer(void *arg, const struct http_answer *answer)
{
	struct lesson_result *l = arg;

	if (answer->r < 0)
		l->r = err_set(l->err, POD_E_UNAVAILABLE, "rspamd: %s", answer->why);
	else if (answer->status < 200 || answer->status >= 300)
		l->r = err_set(l->err, error_of(answer->status), "rspamd: status %u: %.*s", answer->status,
		               SPAN_ARG(answer->body));
}

int rspamd_learn(const char *url, const char *password, bool spam, struct span message, struct err *err)
{
	struct lesson_result result = { .err = err };
	char target[1024], field[300];
	const struct http_ask ask = { .url = target,
		                      .body = message,
		                      .body_type = "message/rfc822",
		                      .fields = { *password ? field : NULL },
		                      .answer_max = ANSWER_MAX,
		                      .overlong = HTTP_OVERLONG_CUT,
		                      .timeout_ms = TIMEOUT_MS };

	(void) snprintf(target, sizeof(target), "%s/%s", url, spam ? "learnspam" : "learnham");
	(void) snprintf(field, sizeof(field), "Password: %s", password);
	http_call(&ask, lesson_on_answer, &result);
	return result.r;
}
