#include "imapd/score.h"

#include "base/clock.h"
#include "imapd/metrics.h"

void score_name(char *name)
{
	for (; *name; name++)
		*name = (char) ascii_lower((uint8_t) *name);
}

static struct login_rules rules(const struct score *s)
{
	return (struct login_rules){ s->guard->login_failures, (uint32_t) s->guard->login_delay_max_ms };
}

int score_may_try(const struct score *s, const struct login_try *try, uint32_t *ret_wait_ms)
{
	struct login_rules lr = rules(s);
	int r = login_may_try(s->tally, &lr, try, clock_wall_ms(), ret_wait_ms);

	if (r == 0)
		return 0;
	metric_add(IMAPD_LOGINS_DELAYED, 1);
	log_event(s->log, LOGL_NOTICE, "client.delayed", F_SPAN("user", try->user),
	          F_UINT("wait_ms", *ret_wait_ms));
	return r;
}

/* Whoever does not exist, or may not, looks the same as who has another password. */
static bool is_guess(int code)
{
	return code == -POD_E_AUTH || code == -POD_E_NOTFOUND || code == -POD_E_DENIED;
}

void score_keep(const struct score *s, const struct login_try *try, const char *address, int code)
{
	struct login_rules lr = rules(s);

	if (try && code == 0)
		login_succeeded(s->tally, try, clock_wall_ms());
	else if (try && is_guess(code))
		login_failed(s->tally, &lr, try, clock_wall_ms());
	metric_add(code == 0 ? IMAPD_LOGINS : IMAPD_LOGINS_FAILED, 1);
	if (code == 0)
		log_event(s->log, LOGL_INFO, "client.authenticated", F_STR("user", address));
	else
		log_event(s->log, LOGL_NOTICE, "client.refused", F_STR("user", address), F_CODE(code));
}
