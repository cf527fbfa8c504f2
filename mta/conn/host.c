/* What a session asks about recipients and bodies. */
#include <stdlib.h>

#include "mta/conn/internal.h"
#include "mta/service/metrics.h"

static void on_mail_begin(void *arg, char trace[TRACE_ID_SIZE])
{
	struct smtp_conn *c = arg;

	trace_id_new(c->trace);
	memcpy(trace, c->trace, TRACE_ID_SIZE);
}

static bool may_relay(const struct smtp_conn *c)
{
	return *smtp_session_user(c->session) != '\0';
}

/* A remote recipient of an authenticated user is a target of its own. */
static int relay_target(struct arena *a, struct span address, struct directory_targets *ret)
{
	struct directory_target *t = arena_new(a, struct directory_target);

	if (!t)
		return -POD_E_NOMEM;
	t->kind = TARGET_REMOTE;
	t->address = arena_str(a, address);
	t->detail = "";
	*ret = (struct directory_targets){ t, 1 };
	return t->address ? 0 : -POD_E_NOMEM;
}

static enum mta_metric rcpt_metric(int r)
{
	switch (-r) {
	case 0:                 return M_RCPT_ACCEPTED;
	case POD_E_NOTFOUND:    return M_RCPT_UNKNOWN;
	case POD_E_UNSUPPORTED: return M_RCPT_RELAY;
	case POD_E_DENIED:      return M_RCPT_SUSPENDED;
	default:                return M_RCPT_ERROR;
	}
}

/* A recipient that there is: whether this sender may reach it, and has not reached too many. */
static struct smtp_status allow(struct smtp_conn *c, struct smtp_mail *mail, const struct smtp_rcpt *rcpt)
{
	int r = directory_sender_check(c->w->dir, rcpt->key, span_of(smtp_session_user(c->session)), NULL);
	struct smtp_status status;

	if (r == -POD_E_DENIED)
		return (struct smtp_status){ 550, "5.7.2", "Only members may send to this list, after authentication" };
	if (r < 0)
		return smtp_status_of_rcpt(r);
	status = smtp_sending_rcpt(c, mail);
	return status.code == 250 ? smtp_status_of_rcpt(0) : status;
}

/* Where a recipient leads. A rewritten address of ours leads back to whom it stands for. */
static int find_targets(struct smtp_conn *c, struct smtp_mail *mail, const struct smtp_rcpt *rcpt,
                        struct directory_targets *targets, struct err *err)
{
	struct span sender;
	int r = smtp_conn_returns_to(c, mail->arena, rcpt->address, &sender, err);

	if (r <= 0)
		return r < 0 ? r : directory_resolve(c->w->dir, mail->arena, rcpt->key, targets, err);
	r = directory_resolve(c->w->dir, mail->arena, sender, targets, err);
	return r == -POD_E_UNSUPPORTED ? relay_target(mail->arena, sender, targets) : r;
}

int smtp_conn_resolve(struct smtp_conn *c, struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	struct directory_targets *targets = arena_new(mail->arena, struct directory_targets);
	struct err err = { 0 };
	int r = targets ? find_targets(c, mail, rcpt, targets, &err) : -POD_E_NOMEM;

	if (r == -POD_E_UNSUPPORTED && may_relay(c))
		r = relay_target(mail->arena, rcpt->address, targets);
	else if (r == 0 && targets->n == 0)
		r = err_set(&err, POD_E_NOTFOUND, "a list without members");
	rcpt->host = targets;
	return r;
}

int smtp_conn_relay(struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	struct directory_targets *targets = arena_new(mail->arena, struct directory_targets);

	rcpt->host = targets;
	return targets ? relay_target(mail->arena, rcpt->address, targets) : -POD_E_NOMEM;
}

static void on_rcpt_check(void *arg, struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	struct smtp_conn *c = arg;
	struct smtp_status status;
	int r = smtp_conn_resolve(c, mail, rcpt);

	metric_add(rcpt_metric(r), 1);
	if (r < 0)
		log_event(&c->mail_log, LOGL_INFO, "rcpt.refused", F_SPAN("sender", mail->sender),
		          F_SPAN("rcpt", rcpt->address), F_CODE(r));
	status = r == -POD_E_STALE ? (struct smtp_status){ 550, "5.7.1", "Not a return address of ours, or an old one" }
	                           : smtp_status_of_rcpt(r);
	if (r == 0)
		status = allow(c, mail, rcpt);
	smtp_session_rcpt_done(c->session, &status);
}

static int on_body_add(void *arg, struct span bytes)
{
	struct smtp_conn *c = arg;
	struct err err = { 0 };
	int r = spool_add(c->spool, bytes, &err);

	if (r < 0)
		log_event(&c->mail_log, LOGL_ERROR, "spool.failed", F_ERR(&err));
	else
		conn_filter_body_add(c, bytes);
	return r;
}

static int on_body_begin(void *arg, const struct smtp_mail *mail, struct span header)
{
	struct smtp_conn *c = arg;
	struct err err = { 0 };
	int r;

	if (!c->spool)
		c->spool = spool_create(smtp_guard_spares_memory(c->w) ? 0 : c->w->conf->mta.memory_per_message,
		                        c->w->tmp_dir);
	if (!c->spool)
		return -POD_E_NOMEM;
	spool_reset(c->spool);
	r = spool_add(c->spool, header, &err);
	if (r < 0)
		log_event(&c->mail_log, LOGL_ERROR, "spool.failed", F_ERR(&err));
	else
		conn_filter_body_begin(c, header);
	return r;
}

static void on_mail_end(void *arg, struct smtp_mail *mail)
{
	struct smtp_conn *c = arg;

	smtp_conn_handover_cancel(c);
	smtp_conn_burl_cancel(c);
	smtp_sending_end(c);
	conn_filter_mail_end(c);
	if (c->spool)
		spool_reset(c->spool);
	c->trace[0] = '\0';
}

const struct smtp_host smtp_conn_host = {
	.mail_begin = on_mail_begin,
	.rcpt_check = on_rcpt_check,
	.body_begin = on_body_begin,
	.body_add = on_body_add,
	.burl_open = smtp_conn_burl_open,
	.body_end = conn_filter_body_end,
	.mail_end = on_mail_end,
	.auth_start = smtp_conn_auth_start,
	.auth_step = smtp_conn_auth_step,
	.auth_cancel = smtp_conn_auth_cancel,
	.mail_check = smtp_conn_mail_check,
	.author_check = smtp_conn_author_check,
	.filter = conn_filter_ask,
};
