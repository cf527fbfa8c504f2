/*
 * libmilter's side: its callbacks become steps of the checks, and what they decided becomes its replies. Only
 * here (and in main) is libmilter known.
 */
#include <errno.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/metrics.h"

/*
 * Without replies to what is never refused the mta sends a message in one go, and waits for us twice: at its
 * first recipient, where a refused sender is told, and at its end. Each packet costs libmilter five calls of
 * the system, so that what we can do without is not asked for. With the space behind a field's colon a
 * signature can be checked. All are in protocol 6, which our mta speaks.
 */
#define NEEDED_STEPS \
	(SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_HDR | SMFIP_NR_BODY | SMFIP_NR_UNKN | SMFIP_HDR_LEADSPC)
#define WANTED_STEPS (NEEDED_STEPS | SMFIP_RCPT_REJ)
/* Steps without a callback here. To promise no reply to one of these instead is no way: libmilter answers it,
 * notices, and complains to syslog at each message. */
#define UNUSED_STEPS (SMFIP_NODATA | SMFIP_NOEOH)
#define ACTIONS      (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST)

/* libmilter hands nothing of the caller's to its callbacks before there is a session. */
static struct filter *the_filter;
static char the_socket[sizeof(((struct sockaddr_un *) NULL)->sun_path)];

static char *literal(const char *s)
{
	return (char *) (uintptr_t) s; /* libmilter's prototypes lack const; it changes none of them */
}

static const char *macro(SMFICTX *ctx, const char *name)
{
	return smfi_getsymval(ctx, literal(name));
}

/* ---- answers ---- */

static sfsistat reply_of(SMFICTX *ctx, struct session *s, enum answer a)
{
	if (a == ANSWER_GO_ON)
		return SMFIS_CONTINUE;
	if (s->reply_code[0])
		(void) smfi_setreply(ctx, s->reply_code, s->reply_status, s->reply_text);
	s->reply_code[0] = '\0';
	return a == ANSWER_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static void note_refusal(const struct session *s, const struct check *c, const char *step, enum answer a)
{
	log_event(s->message ? &s->message->log : &s->log, LOGL_INFO, "filter.refused",
	          F_STR("check", c->name), F_STR("step", step), F_STR("code", s->reply_code),
	          F_STR("text", s->reply_text));
	metric_add(a == ANSWER_REJECT ? FM_STEPS_REJECTED : FM_STEPS_DEFERRED, 1);
}

static sfsistat out_of_memory(SMFICTX *ctx)
{
	(void) smfi_setreply(ctx, literal("451"), literal("4.3.2"),
	                     literal("The filter is out of memory; try again later"));
	return SMFIS_TEMPFAIL;
}

/* The hooks of one step in the table's order, until one refuses. */
#define ASK_STEP(s, hook, ...)                                                       \
	__extension__({                                                              \
		enum answer a_ = ANSWER_GO_ON;                                       \
                                                                                     \
		for (size_t i_ = 0; filter_checks[i_] && a_ == ANSWER_GO_ON; i_++) { \
			const struct check *c_ = filter_checks[i_];                  \
                                                                                     \
			if (c_->hook && check_applies(c_, s))                        \
				a_ = c_->hook(__VA_ARGS__);                          \
			if (a_ != ANSWER_GO_ON)                                      \
				note_refusal(s, c_, #hook, a_);                      \
		}                                                                    \
		a_;                                                                  \
	})

#define TELL(s, hook, ...)                                                                  \
	do {                                                                                \
		for (size_t i_ = 0; filter_checks[i_]; i_++)                                \
			if (filter_checks[i_]->hook && check_applies(filter_checks[i_], s)) \
				filter_checks[i_]->hook(__VA_ARGS__);                       \
	} while (0)

/* ---- the connection ---- */

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2,
                             unsigned long f3, unsigned long *ret_actions, unsigned long *ret_steps,
                             unsigned long *ret_f2, unsigned long *ret_f3)
{
	static const struct {
		int stage;
		const char *macros;
	} lists[] = {
		{ SMFIM_CONNECT, "j {daemon_name} {client_addr} {client_port} {client_ptr}" },
		{ SMFIM_ENVFROM, "i {auth_authen}" },
		{ SMFIM_ENVRCPT, "{rcpt_mailer} i" }, /* some mtas know the message's name no earlier */
		{ SMFIM_EOM, "" },
	};

	if ((actions & ACTIONS) != ACTIONS || (steps & NEEDED_STEPS) != NEEDED_STEPS) {
		log_event(NULL, LOGL_ERROR, "filter.mta_too_old", F_UINT("actions", actions),
		          F_UINT("steps", steps));
		return SMFIS_REJECT;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		(void) smfi_setsymlist(ctx, lists[i].stage, literal(lists[i].macros));
	*ret_actions = ACTIONS;
	*ret_steps = steps & (WANTED_STEPS | UNUSED_STEPS);
	*ret_f2 = *ret_f3 = 0;
	return SMFIS_CONTINUE;
}

static const struct net_addr *addr_of(const _SOCK_ADDR *sa, struct net_addr *buf)
{
	socklen_t len = !sa                         ? 0
	                : sa->sa_family == AF_INET  ? sizeof(struct sockaddr_in)
	                : sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                            : 0;

	if (!len)
		return NULL;
	*buf = (struct net_addr){ .len = len };
	memcpy(&buf->ss, sa, len);
	return buf;
}

/* A name in brackets is the address again: there is no PTR record, or it does not lead back. */
static const char *client_name(const char *name)
{
	return name && *name != '[' ? name : NULL;
}

static sfsistat step_connect(SMFICTX *ctx, struct session *s)
{
	return reply_of(ctx, s, ASK_STEP(s, connect, s));
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *sa)
{
	struct net_addr addr;
	struct session *s = session_create(the_filter, addr_of(sa, &addr), client_name(name),
	                                   macro(ctx, "{daemon_name}"), macro(ctx, "j"));

	if (!s)
		return out_of_memory(ctx);
	(void) smfi_setpriv(ctx, s);
	metric_add(FM_SESSIONS_OPEN, 1);
	metric_add(FM_SESSIONS, 1);
	return step_connect(ctx, s);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	struct session *s = smfi_getpriv(ctx);

	(void) snprintf(s->helo, sizeof(s->helo), "%s", name);
	return SMFIS_NOREPLY;
}

static sfsistat on_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (!s)
		return SMFIS_CONTINUE;
	(void) session_free(s);
	(void) smfi_setpriv(ctx, NULL);
	metric_add(FM_SESSIONS_OPEN, -1);
	return SMFIS_CONTINUE;
}

/* ---- a message ---- */

/* "<a@b>" without its brackets. */
static struct span address_of(const char *arg)
{
	struct span s = span_of(arg);

	return s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>' ? span_make(s.p + 1, s.len - 2) : s;
}

static enum answer ask_mail(SMFICTX *ctx, struct session *s, char **argv)
{
	struct message *m =
		message_create(s, macro(ctx, "i"), address_of(argv[0]), macro(ctx, "{auth_authen}"));

	s->message = m;
	if (!m) {
		session_reply(s, "451", "4.3.2", "The filter is out of memory; try again later");
		return ANSWER_TEMPFAIL;
	}
	m->milter = ctx;
	if (m->login)
		s->direction = DIRECTION_OUT; /* whatever the door */
	return ASK_STEP(s, mail, m);
}

static sfsistat on_mail(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	s->message = message_free(s->message);
	s->reply_code[0] = '\0';
	s->of_mail = ask_mail(ctx, s, argv);
	return SMFIS_NOREPLY;
}

/* A refused sender's recipients are all refused, with the words that were for him. */
static sfsistat refuse_sender(SMFICTX *ctx, struct session *s)
{
	if (s->reply_code[0])
		(void) smfi_setreply(ctx, s->reply_code, s->reply_status, s->reply_text);
	return s->of_mail == ANSWER_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	const char *mailer = macro(ctx, "{rcpt_mailer}");
	struct message *m = s->message;
	struct recipient *r;

	if (s->of_mail != ANSWER_GO_ON)
		return refuse_sender(ctx, s);
	if (mailer && strcmp(mailer, "error") == 0) {
		TELL(s, rcpt_refused, m, address_of(argv[0]));
		return SMFIS_CONTINUE; /* the mta has refused it already */
	}
	if (message_add_recipient(m, address_of(argv[0]), &r) < 0)
		return out_of_memory(ctx);
	return reply_of(ctx, s, ASK_STEP(s, rcpt, m, r));
}

static void message_give_id(SMFICTX *ctx, struct message *m)
{
	const char *id = *m->trace ? NULL : macro(ctx, "i"); /* some give it with the first recipient */

	if (!id)
		return;
	m->trace = arena_str(m->arena, span_of(id)) ?: "";
	m->log.fields[0] = F_STR("trace", m->trace);
}

static void failed(struct message *m, int r)
{
	if (r < 0 && m->failed == 0) {
		m->failed = r;
		log_event(&m->log, LOGL_ERROR, "filter.spool_failed", F_CODE(r));
	}
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s->message;
	struct header *h = NULL, passing = { .name = span_of(name), .value = span_of(value) };

	message_give_id(ctx, m);
	failed(m, message_take_header(m, name, value, &h));
	TELL(s, header, m, h ? h : &passing);
	return SMFIS_NOREPLY;
}

/* With the first piece of the body, or the end: the mta says nothing between. */
static void end_headers(struct message *m)
{
	if (m->headers_over)
		return;
	m->headers_over = true;
	failed(m, spool_add(m->spool, SPAN_LIT("\r\n"), NULL));
	TELL(m->session, headers_end, m);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t len)
{
	struct session *s = smfi_getpriv(ctx);

	end_headers(s->message);
	failed(s->message, spool_add(s->message->spool, span_make(bytes, len), NULL));
	TELL(s, body, s->message, span_make(bytes, len));
	return SMFIS_NOREPLY;
}

/* ---- the end of a message ---- */

static int edit_apply(SMFICTX *ctx, const struct edit *e)
{
	switch (e->kind) {
	case EDIT_INSERT: return smfi_insheader(ctx, (int) e->index, literal(e->name), literal(e->value));
	case EDIT_ADD: return smfi_addheader(ctx, literal(e->name), literal(e->value));
	case EDIT_CHANGE: return smfi_chgheader(ctx, literal(e->name), (int) e->index, literal(e->value));
	}
	return MI_FAILURE;
}

static sfsistat let_pass(SMFICTX *ctx, struct message *m)
{
	int r = MI_SUCCESS;

	TELL(m->session, edit, m);
	for (const struct edit *e = m->edits; e && r == MI_SUCCESS; e = e->next)
		r = edit_apply(ctx, e);
	if (r == MI_SUCCESS && m->verdict == VERDICT_QUARANTINE)
		r = smfi_quarantine(ctx, literal(m->verdict_text ?: "spam"));
	if (r == MI_SUCCESS)
		return SMFIS_CONTINUE;
	log_event(&m->log, LOGL_ERROR, "filter.edit_failed");
	return SMFIS_TEMPFAIL;
}

static sfsistat refuse(SMFICTX *ctx, struct message *m)
{
	struct session *s = m->session;
	const char *text = m->verdict_text;

	if (m->verdict == VERDICT_REJECT) {
		session_reply(s, "550", "5.7.1", "%s", text ?: "Message refused as spam");
		return reply_of(ctx, s, ANSWER_REJECT);
	}
	/* Our own trouble is no policy of ours (RFC 3463). */
	session_reply(s, "451", m->failed < 0 ? "4.3.0" : "4.7.1", "%s",
	              text ?: "The message cannot be checked now; try again later");
	return reply_of(ctx, s, ANSWER_TEMPFAIL);
}

static void log_verdict(const struct message *m, uint64_t began_ms)
{
	_cleanup_buf_ struct buf symbols = { .limit = 1000 };
	char score[24];

	for (const struct finding *f = m->findings; f; f = f->next)
		buf_printf(&symbols, "%s%s(%.2f)", symbols.len ? " " : "", f->symbol, f->weight / 100.0);
	(void) snprintf(score, sizeof(score), "%.2f", m->score / 100.0);
	log_event(&m->log, LOGL_INFO, "filter.verdict", F_STR("verdict", verdict_name(m->verdict)),
	          F_STR("score", score), F_STR("findings", buf_str(&symbols)),
	          F_STR("text", m->verdict_text ?: ""), F_STR("sender", m->sender),
	          F_UINT("recipients", m->recipients_n), F_UINT("size", spool_size(m->spool)),
	          F_UINT("took_ms", clock_mono_ms() - began_ms));
	metric_add(FM_MESSAGES_CLEAN + (size_t) m->verdict, 1);
}

static sfsistat on_end(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	struct message *m = s->message;
	uint64_t began_ms = clock_mono_ms();
	sfsistat r;

	message_give_id(ctx, m);
	end_headers(m);
	if (m->failed < 0)
		message_force(m, VERDICT_TEMPFAIL, "The filter could not keep the message; try again later");
	else
		TELL(s, judge, m);
	message_decide(m);
	r = m->verdict >= VERDICT_TEMPFAIL ? refuse(ctx, m) : let_pass(ctx, m);
	log_verdict(m, began_ms);
	TELL(s, learn, m);
	s->message = message_free(m);
	return r;
}

static sfsistat on_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s)
		s->message = message_free(s->message);
	return SMFIS_CONTINUE;
}

static sfsistat on_unknown(SMFICTX *ctx, const char *command)
{
	struct session *s = smfi_getpriv(ctx);

	if (s)
		TELL(s, unknown, s);
	return SMFIS_NOREPLY;
}

static void on_progress(struct message *m)
{
	if (m->milter)
		(void) smfi_progress(m->milter);
}

/* ---- the door ---- */

/* The socket is the group's, so that the mta reaches it; only podd and the pod's programs are in the group.
 */
static int socket_open(const char *path, const struct conf *conf, struct err *err)
{
	mode_t mask = umask(0117);
	int r = 0;

	if (smfi_setconn(literal(path)) != MI_SUCCESS || smfi_setbacklog(1024) != MI_SUCCESS ||
	    smfi_settimeout((int) (conf->filter.idle_timeout_ms / 1000)) != MI_SUCCESS ||
	    smfi_opensocket(true) != MI_SUCCESS)
		r = err_set(err, POD_E_IO, "%s: cannot listen there", path);
	(void) umask(mask);
	return r;
}

int callbacks_register(struct filter *f, const struct conf *conf, struct err *err)
{
	struct smfiDesc desc = {
		.xxfi_name = literal("podfilter"),
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_abort,
		.xxfi_unknown = on_unknown,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};
	char path[sizeof(the_socket) + 5];

	the_filter = f;
	f->progress = on_progress;
	if ((size_t) snprintf(the_socket, sizeof(the_socket), "%s/" FILTER_SOCKET_NAME, conf->pod.run_dir) >=
	    sizeof(the_socket))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket in it", conf->pod.run_dir);
	(void) snprintf(path, sizeof(path), "unix:%s", the_socket);
	if (smfi_register(desc) != MI_SUCCESS)
		return err_set(err, POD_E_INTERNAL, "libmilter does not take our callbacks");
	return socket_open(path, conf, err);
}

void callbacks_wake(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void) snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", the_socket);
	if (fd >= 0) {
		(void) connect(fd, (const struct sockaddr *) &addr, sizeof(addr));
		(void) close(fd);
	}
}

int callbacks_run(struct err *err)
{
	return smfi_main() == MI_SUCCESS ? 0 : err_set(err, POD_E_IO, "libmilter gave up listening");
}

void callbacks_stop(void)
{
	(void) smfi_stop();
}
