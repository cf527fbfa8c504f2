/*
 * URLAUTH (RFC 4467): GENURLAUTH signs URLs of one's own messages, RESETKEY makes those of a mailbox void,
 * URLFETCH reads what is behind them. The keys are the store's. URLs are of one's own account: what others
 * signed is read by submission (BURL), not here.
 */
#include <fcntl.h>

#include "base/clock.h"
#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"
#include "imapd/imap/spool.h"
#include "mime/imap_url.h"

#define URLS_MAX 100 /* of one command */

struct urlauth {
	struct imap_session *s;
	struct span text[URLS_MAX];
	struct imap_url url[URLS_MAX];
	bool good[URLS_MAX]; /* URLFETCH: may be opened */
	size_t n, at;
	struct buf answer; /* GENURLAUTH: the line so far; in the arena's time, freed by on_abort */
	Podstore__UrlSign sign;
	Podstore__UrlOpen open;
	struct imap_call *call;
	struct imap_spool body;
};

static void urlauth_abort(struct imap_session *s)
{
	struct urlauth *u = s->data;

	if (u->call)
		s->ops->call_cancel(s->host, u->call);
	buf_done(&u->answer);
	imap_spool_done(&u->body);
}

static void urlauth_end(struct urlauth *u)
{
	u->call = NULL;
	urlauth_abort(u->s);
	u->s->on_abort = NULL;
}

static struct urlauth *urlauth_begin(struct imap_session *s)
{
	struct urlauth *u = arena_new(s->a, struct urlauth);

	if (!u) {
		imap_reply_error(s, -POD_E_NOMEM);
		return NULL;
	}
	u->s = s;
	u->body = IMAP_SPOOL_INIT;
	s->data = u;
	s->on_abort = urlauth_abort;
	return u;
}

/* Whether it is the user's own URL, of one who may still use it. */
static bool is_own(const struct imap_session *s, const struct imap_url *url)
{
	return s->ops->is_user(s->host, url->user) &&
	       (url->expires_s == 0 || url->expires_s > clock_wall_s());
}

/* ---- GENURLAUTH ---- */

static void sign_next(struct urlauth *u);

static void on_signed(void *arg, const struct store_reply *reply)
{
	struct urlauth *u = arg;
	struct imap_session *s = u->s;
	const Podstore__UrlSigned *made = (const Podstore__UrlSigned *) reply->message;
	const struct imap_url *url = &u->url[u->at];

	u->call = NULL;
	if (reply->code < 0) {
		urlauth_end(u);
		imap_reply_store(s, reply);
		return;
	}
	if (url->uidvalidity && url->uidvalidity != made->uidvalidity) {
		urlauth_end(u);
		imap_reply_no(s, "UIDVALIDITY is another one");
		return;
	}
	buf_printf(&u->answer, " \"" SPAN_FMT ":internal:", SPAN_ARG(url->rump));
	for (size_t i = 0; i < made->token.len; i++)
		buf_printf(&u->answer, "%02x", made->token.data[i]);
	buf_add_byte(&u->answer, '"');
	u->at++;
	sign_next(u);
}

static void sign_next(struct urlauth *u)
{
	struct imap_session *s = u->s;

	if (u->at < u->n) {
		podstore__url_sign__init(&u->sign);
		u->sign.name = imap_str(s, span_of(u->url[u->at].mailbox));
		u->sign.text.data = (uint8_t *) (uintptr_t) u->url[u->at].rump.p;
		u->sign.text.len = u->url[u->at].rump.len;
		u->call = imap_call(s, STORE_URL_SIGN, &u->sign.base, SPAN_NONE, -1, on_signed, u);
		if (!u->call) {
			urlauth_end(u);
			imap_reply_error(s, -POD_E_NOMEM);
		}
		return;
	}
	if (u->answer.failed) {
		urlauth_end(u);
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	imap_untagged(s, "GENURLAUTH%s", buf_str(&u->answer));
	urlauth_end(u);
	imap_reply_ok(s, "GENURLAUTH done");
}

/* genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism); quotes cannot be in what is said back in quotes */
static int take_rump(struct imap_parser *p, struct urlauth *u)
{
	struct span mechanism;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_astring(p, &u->text[u->n]);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_atom(p, &mechanism);
	if (r < 0)
		return r;
	if (!span_eq_nocase(mechanism, SPAN_LIT(IMAP_URL_MECHANISM)))
		return -POD_E_UNSUPPORTED;
	r = imap_url_parse(u->text[u->n], u->s->a, &u->url[u->n]);
	if (r == 0 && (u->url[u->n].token.len || span_find_byte(u->text[u->n], '"') != SIZE_MAX ||
	               span_find_byte(u->text[u->n], '\\') != SIZE_MAX))
		r = -POD_E_SYNTAX;
	u->n += r == 0;
	return r;
}

void imap_cmd_genurlauth(struct imap_session *s, struct imap_parser *p)
{
	struct urlauth *u = urlauth_begin(s);
	int r = 0;

	if (!u)
		return;
	do
		r = u->n < URLS_MAX ? take_rump(p, u) : -POD_E_LIMIT;
	while (r == 0 && imap_peek(p) == ' ');
	if (r == 0)
		r = imap_parse_end(p);
	if (r == -POD_E_UNSUPPORTED) {
		urlauth_end(u);
		imap_reply_no(s, "Only whole messages, by the mechanism INTERNAL");
	} else if (r < 0) {
		urlauth_end(u);
		imap_reply_bad(s, "No such URL can be signed");
	} else {
		for (size_t i = 0; i < u->n; i++)
			if (!is_own(s, &u->url[i])) {
				urlauth_end(u);
				imap_reply_no(s, "Only URLs of your own account, of a time to come");
				return;
			}
		sign_next(u);
	}
}

/* ---- RESETKEY ---- */

static void on_reset(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;

	if (reply->code < 0)
		imap_reply_store(s, reply);
	else
		imap_reply_ok(s, "[URLMECH INTERNAL] RESETKEY done");
}

/* resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]; without a mailbox: all of them */
void imap_cmd_resetkey(struct imap_session *s, struct imap_parser *p)
{
	Podstore__UrlReset *request = arena_new(s->a, Podstore__UrlReset);
	struct span name = SPAN_LIT(""), mechanism;
	int r = request ? 0 : -POD_E_NOMEM;

	if (r == 0 && imap_peek(p) == ' ') {
		r = imap_parse_space(p);
		if (r == 0)
			r = imap_parse_mailbox(p, &name);
		while (r == 0 && imap_peek(p) == ' ') {
			r = imap_parse_space(p);
			if (r == 0)
				r = imap_parse_atom(p, &mechanism);
		}
	}
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	podstore__url_reset__init(request);
	request->name = imap_str(s, name);
	(void) imap_ask(s, STORE_URL_RESET, &request->base, on_reset);
}

/* ---- URLFETCH ---- */

static void fetch_next(struct urlauth *u);

/* RFC 4467 3: "submit+" is for who sends the message on, and nobody else. */
static bool may_fetch(const struct imap_session *s, const struct imap_url *url)
{
	static const bool for_readers[] = { [IMAP_URL_SUBMIT] = false,
		                            [IMAP_URL_USER] = true,
		                            [IMAP_URL_AUTHUSER] = true,
		                            [IMAP_URL_ANONYMOUS] = true };

	return for_readers[url->access] && url->token.len > 0 && is_own(s, url) &&
	       (url->access != IMAP_URL_USER || s->ops->is_user(s->host, url->access_user));
}

static void tell_url(struct urlauth *u, bool found)
{
	struct imap_session *s = u->s;
	struct imap_out o;
	int fd = -1;

	imap_out_init(&o, imap_output(s));
	imap_out_lit(&o, "* URLFETCH ");
	imap_out_string(&o, u->text[u->at]);
	if (!found) {
		imap_out_lit(&o, " NIL\r\n");
		imap_out_flush(&o);
		return;
	}
	imap_out_lit(&o, " {");
	imap_out_number(&o, u->body.size);
	imap_out_lit(&o, "}\r\n");
	if (u->body.fd < 0)
		imap_out_span(&o, buf_span(&u->body.memory));
	imap_out_flush(&o);
	if (u->body.fd >= 0) {
		fd = fcntl(u->body.fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0 || s->ops->write_file(s->host, fd, 0, u->body.size) < 0)
			imap_close(s); /* the literal was promised */
	}
	imap_out_init(&o, imap_output(s));
	imap_out_lit(&o, "\r\n");
	imap_out_flush(&o);
}

static int take_bytes(struct urlauth *u, const struct store_reply *reply)
{
	const Podstore__BodyOpenReply *opened = (const Podstore__BodyOpenReply *) reply->message;

	if (reply->fd >= 0) {
		int fd = fcntl(reply->fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -POD_E_LIMIT;
		imap_spool_take_file(&u->body, fd, opened ? opened->size : 0);
		return 0;
	}
	return imap_spool_add(&u->body, u->s->settings->temp_dir, reply->blob);
}

static void on_opened(void *arg, const struct store_reply *reply)
{
	struct urlauth *u = arg;

	if (reply->code == 0 && u->good[u->at] && take_bytes(u, reply) < 0)
		u->good[u->at] = false;
	else if (reply->code < 0)
		u->good[u->at] = false;
	if (!reply->final)
		return;
	u->call = NULL;
	tell_url(u, u->good[u->at]);
	imap_spool_done(&u->body);
	u->body = IMAP_SPOOL_INIT;
	u->at++;
	fetch_next(u);
}

static void fetch_next(struct urlauth *u)
{
	struct imap_session *s = u->s;
	const struct imap_url *url;

	while (u->at < u->n && !u->good[u->at]) {
		tell_url(u, false);
		u->at++;
	}
	if (u->at == u->n) {
		urlauth_end(u);
		imap_reply_ok(s, "URLFETCH done");
		return;
	}
	url = &u->url[u->at];
	podstore__url_open__init(&u->open);
	u->open.user_id = imap_str(s, span_of(s->ops->user_id(s->host)));
	u->open.name = imap_str(s, span_of(url->mailbox));
	u->open.uidvalidity = url->uidvalidity;
	u->open.uid = url->uid;
	u->open.text = (ProtobufCBinaryData){ url->rump.len, (uint8_t *) (uintptr_t) url->rump.p };
	u->open.token = (ProtobufCBinaryData){ url->token.len, (uint8_t *) (uintptr_t) url->token.p };
	u->call = imap_call(s, STORE_URL_OPEN, &u->open.base, SPAN_NONE, -1, on_opened, u);
	if (!u->call) {
		urlauth_end(u);
		imap_reply_error(s, -POD_E_NOMEM);
	}
}

/* urlfetch = "URLFETCH" 1*(SP url-full) */
void imap_cmd_urlfetch(struct imap_session *s, struct imap_parser *p)
{
	struct urlauth *u = urlauth_begin(s);
	int r = 0;

	if (!u)
		return;
	do {
		r = u->n < URLS_MAX ? imap_parse_space(p) : -POD_E_LIMIT;
		if (r == 0)
			r = imap_parse_astring(p, &u->text[u->n]);
		if (r == 0) {
			u->good[u->n] = imap_url_parse(u->text[u->n], s->a, &u->url[u->n]) == 0 &&
			                may_fetch(s, &u->url[u->n]);
			u->n++;
		}
	} while (r == 0 && imap_peek(p) == ' ');
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		urlauth_end(u);
		imap_reply_parse(s, p, r);
		return;
	}
	fetch_next(u);
}
