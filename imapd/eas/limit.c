/* How often a device may ask, and how often for the same. */
#include <stdio.h>

#include "base/clock.h"
#include "imapd/eas/internal.h"
#include "imapd/metrics.h"

#define RATE_PERIOD_S  60
#define LOOP_WINDOW_MS (5u * 60 * 1000)
#define PRINTED_MAX    (64u << 10) /* bytes of a body that are looked at */

static bool put_off(struct eas_request *rq, uint32_t wait_s, const char *why, size_t metric)
{
	metric_add(metric, 1);
	log_event(&rq->log, LOGL_NOTICE, "device.put_off", F_STR("why", why), F_UINT("wait_s", wait_s));
	eas_answer_http(rq, 503);
	rq->answer->retry_after_s = wait_s;
	return false;
}

/* Counted for all workers together. */
static bool rate_is_fine(struct eas_request *rq)
{
	struct tally_rate rate = { rq->parts->conf->imapd.device_requests, RATE_PERIOD_S };
	struct tally_key key;
	uint32_t wait_s;

	if (rate.limit == 0)
		return true;
	key = tally_key2(rq->parts->tally, "eas/requests", span_of(account_user_id(rq->account)),
	                 span_of(rq->device_id));
	return tally_take(rq->parts->tally, &key, rate, 1, clock_wall_ms(), &wait_s) == 0 ||
	       put_off(rq, wait_s, "too many requests", IMAPD_EAS_LIMITED);
}

static bool is_no_loop(struct eas_request *rq)
{
	uint32_t max = rq->parts->conf->imapd.device_repeats, wait_s;
	uint64_t device =
		loops_print(loops_print(0, span_of(account_user_id(rq->account))), span_of(rq->device_id));
	uint64_t request = loops_print(0, span_of(http_query(rq->exchange)));

	if (max == 0)
		return true;
	request = loops_print(request, span_head(http_body(rq->exchange), PRINTED_MAX));
	wait_s = loops_seen(&rq->service->loops, device, request, max, LOOP_WINDOW_MS, clock_mono_ms());
	return wait_s == 0 || put_off(rq, wait_s, "the same request again and again", IMAPD_EAS_LOOPS);
}

bool eas_limit(struct eas_request *rq)
{
	return rate_is_fine(rq) && is_no_loop(rq);
}
