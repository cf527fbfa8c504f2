/* The milters that the mta asks: from one of its workers, with what all of them have counted. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/metric.h"
#include "podctl/podd/api.h"
#include "podctl/podd/peer_link.h"

#define WORKERS_SOCKET_NAME "mta-workers.sock" /* in run_dir */
#define LABEL_MAX           40 /* the mta cuts a longer name in its label (mta/milter/counters.c) */
#define WORKERS_TIMEOUT_S   12 /* it gives a milter eight seconds */

static const struct {
	const char *metric, *key;
} counters[] = {
	{ "podmail_mta_milter_answers_total", "answers" },
	{ "podmail_mta_milter_microseconds_total", "waited_us" },
	{ "podmail_mta_milter_refusals_total", "refusals" },
	{ "podmail_mta_milter_discards_total", "discards" },
	{ "podmail_mta_milter_failures_total", "failures" },
};

/* METRIC{milter="NAME"}: into the entries of that name, whose counts they share. */
static void add_count(void *arg, const char *name, int64_t value)
{
	struct span label, rest, metric = span_split(span_of(name), '{', &label);
	json_t *milters = arg, *entry;
	size_t i, k;

	for (k = 0; k < ARRAY_SIZE(counters) && !span_eq(metric, span_of(counters[k].metric)); k++)
		;
	if (k == ARRAY_SIZE(counters))
		return;
	(void) span_split(label, '"', &label);
	label = span_split(label, '"', &rest);
	json_array_foreach(milters, i, entry)
	{
		if (span_eq(span_head(span_of(json_string_value(json_object_get(entry, "name"))), LABEL_MAX),
		            label))
			(void) json_object_set_new(entry, counters[k].key, json_integer(value));
	}
}

static void milters_on_answer(void *arg, int status, struct span body)
{
	struct api_call *call = arg;
	char dir[PATH_MAX];
	struct err err = { 0 };
	json_t *answer;

	if (api_mta_json(call, status, body, &answer) < 0)
		return;
	(void) snprintf(dir, sizeof(dir), "%s/metrics", call->podd->conf->pod.run_dir);
	if (metric_each(dir, add_count, json_object_get(answer, "milters"), &err) == 0) {
		api_reply(call, status, answer);
		return;
	}
	json_decref(answer);
	api_fail(call, &err);
}

void api_milter_list(struct api_call *call)
{
	char path[PATH_MAX];
	const struct peer_request rq = { .who = "the mta",
		                         .socket_path = path,
		                         .method = "GET",
		                         .target = evhttp_find_header(&call->query, "test")
		                                           ? "/milters?test=1"
		                                           : "/milters",
		                         .timeout_s = WORKERS_TIMEOUT_S };
	struct err err = { 0 };

	(void) snprintf(path, sizeof(path), "%s/" WORKERS_SOCKET_NAME, call->podd->conf->pod.run_dir);
	if (peer_ask(call->podd->base, &rq, milters_on_answer, call, &err) < 0)
		api_fail(call, &err);
}
