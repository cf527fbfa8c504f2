/*
 * Who sent it: SPF as soon as the sender is known, DKIM, ARC and DMARC at the end. What was found is written
 * into the message as Authentication-Results, those that claim to be ours having been removed, and sealed
 * where the message goes on to somebody else.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/auth_message.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/filter_internal.h"

/* ---- at MAIL ---- */

static enum answer auth_mail(struct message *m)
{
	const struct auth_conf *c = &m->session->settings->conf->auth;
	struct auth_message *am = auth_message_of(m);
	struct spf_question q = { .client = m->session->client,
		                  .helo = m->session->helo,
		                  .sender = m->sender,
		                  .timeout_ms = c->spf_timeout_ms };
	struct lookup l = auth_message_lookup(m);
	struct err err = { 0 };

	if (!am)
		return ANSWER_TEMPFAIL;
	if (mailauth_check_sender(&l, m->arena, &q, &am->results, &err) < 0) {
		log_event(&m->log, LOGL_ERROR, "auth.failed", F_STR("step", "spf"), F_ERR(&err));
		return ANSWER_TEMPFAIL;
	}
	auth_message_tell_spf(m, &am->results);
	return ANSWER_GO_ON;
}

/* ---- at the end ---- */

static void findings_of_spf(struct message *m, const struct auth_results *r)
{
	static const struct {
		const char *symbol;
		int weight;
	} symbols[] = {
		[SPF_NONE] = { "SPF_NONE", 50 },           [SPF_NEUTRAL] = { "SPF_NEUTRAL", 50 },
		[SPF_PASS] = { "SPF_PASS", -10 },          [SPF_FAIL] = { "SPF_FAIL", 300 },
		[SPF_SOFTFAIL] = { "SPF_SOFTFAIL", 100 },  [SPF_TEMPERROR] = { "SPF_TEMPERROR", 0 },
		[SPF_PERMERROR] = { "SPF_PERMERROR", 50 },
	};

	message_find(m, symbols[r->spf.result].symbol, symbols[r->spf.result].weight, r->spf.domain);
	if (r->spf.identity == SPF_MAILFROM && r->helo_spf.result == SPF_FAIL)
		message_find(m, "HELO_SPF_FAIL", 100, r->helo_spf.domain);
}

static void findings_of_signatures(struct message *m, const struct auth_results *r)
{
	const char *by = mailauth_signed_by(auth_message_process(m), r);

	if (by)
		message_find(m, "DKIM_PASS", -20, by);
	else if (r->dkim.n)
		message_find(m,
		             r->dkim.signatures[0].result == DKIM_RESULT_TEMPERROR ? "DKIM_TEMPERROR"
		                                                                   : "DKIM_FAIL",
		             r->dkim.signatures[0].result == DKIM_RESULT_TEMPERROR ? 0 : 50,
		             r->dkim.signatures[0].domain);
	if (r->arc.result == ARC_FAIL)
		message_find(m, "ARC_FAIL", 50, r->arc.why);
}

/* What is asked, as far as this pod goes along with it. */
static enum disposition disposition_here(const struct message *m, const struct auth_results *r)
{
	switch ((enum auth_dmarc) m->session->settings->conf->auth.dmarc) {
	case AUTH_DMARC_OBSERVE: return DISPOSITION_NONE;
	case AUTH_DMARC_JUNK:
		return r->dmarc.asked == DISPOSITION_NONE ? DISPOSITION_NONE : DISPOSITION_QUARANTINE;
	case AUTH_DMARC_ENFORCE: break;
	}
	return r->dmarc.asked;
}

static void force_disposition(struct message *m, const struct auth_results *r)
{
	const char *text = arena_printf(
		m->arena, "The domain %s asks that mail which it neither sent nor signed be refused (DMARC)",
		r->dmarc.from_domain);

	if (r->applied == DISPOSITION_REJECT)
		message_force(m, VERDICT_REJECT, text ? text : "DMARC");
	else if (r->applied == DISPOSITION_QUARANTINE)
		message_force(m, VERDICT_JUNK, "DMARC");
}

static void judge_dmarc(struct message *m, struct auth_message *am)
{
	struct auth_results *r = &am->results;

	switch (r->dmarc.result) {
	case DMARC_PASS: message_find(m, "DMARC_PASS", -50, r->dmarc.from_domain); return;
	case DMARC_TEMPERROR: message_find(m, "DMARC_TEMPERROR", 0, r->dmarc.why); return;
	case DMARC_NONE: return;
	case DMARC_PERMERROR:
		/* a From that readers take for several senders is a forger's */
		message_find(m, *r->dmarc.from_domain ? "DMARC_PERMERROR" : "FROM_NOT_ONE_DOMAIN",
		             *r->dmarc.from_domain ? 0 : 300, r->dmarc.why);
		return;
	case DMARC_FAIL: break;
	}
	am->vouched_for = mailauth_is_vouched_for(r, m->session->settings->conf->auth.arc_trusted);
	if (am->vouched_for) {
		message_find(m, "DMARC_FAIL_ARC", 0, arena_str(m->arena, r->arc.sealer));
		return;
	}
	message_find(m, "DMARC_FAIL", 150, r->dmarc.from_domain);
	r->applied = disposition_here(m, r);
	force_disposition(m, r);
}

static void auth_judge(struct message *m)
{
	struct auth_message *am = auth_message_of(m);
	struct err err = { 0 };

	if (!am || auth_message_check(m, am, &err) < 0) {
		log_event(&m->log, LOGL_ERROR, "auth.failed", F_STR("step", "content"), F_ERR(&err));
		message_force(m, VERDICT_TEMPFAIL, NULL);
		return;
	}
	am->judged = true;
	findings_of_spf(m, &am->results);
	findings_of_signatures(m, &am->results);
	judge_dmarc(m, am);
	auth_message_tell(m, &am->results);
	auth_message_log(m, am);
}

/* ---- the header ---- */

static void auth_edit(struct message *m)
{
	struct auth_message *am = auth_message_of(m);
	struct span text = am && am->judged ? results_format(m->arena, &am->results) : SPAN_NONE;

	auth_message_remove_forged(m);
	if (!text.p)
		return;
	auth_message_seal(m, am);
	auth_message_insert(
		m, &(struct field){ .name = SPAN_LIT("Authentication-Results"),
	                            .value = span_of(arena_printf(m->arena, " " SPAN_FMT, SPAN_ARG(text))) });
}

/* Of messages that are refused, too: those above all are what a domain wants to hear of. */
static void auth_learn(struct message *m)
{
	const struct auth_message *am = auth_message_of(m);

	if (am && am->judged && m->session->settings->conf->auth.dmarc_reports)
		report_store_add(m->session->filter->reports, &am->results, am->vouched_for, clock_wall_s());
}

const struct check check_auth = {
	.name = "auth",
	.directions = CHECK_IN,
	.mail = auth_mail,
	.judge = auth_judge,
	.edit = auth_edit,
	.learn = auth_learn,
};
