#include "podctl/podd/queue_link.h"

int queue_ask(struct event_base *base, const char *socket_path, const char *method, const char *target,
              peer_answer_fn *answer, void *arg, struct err *err)
{
	const struct peer_request rq = { .who = "mta's queue",
		                         .socket_path = socket_path,
		                         .method = method,
		                         .target = target,
		                         .timeout_s = QUEUE_TIMEOUT_S };

	return peer_ask(base, &rq, answer, arg, err);
}
