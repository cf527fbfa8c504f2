#include "submit/submit.h"

#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "net/stream.h"
#include "smtp/client.h"

#define RESULTS_ARENA (1u << 20)
#define WRITE_MS      60000

struct submit {
	const struct submit_message *m;
	struct stream *stream;
	struct event deadline;
	struct arena *arena;
	struct buf out;
	struct smtp_client *client;
	struct smtp_client_settings settings;
	struct smtp_client_mail mail;
	char hostname[72], transid[ID_TEXT_SIZE];
	bool asked, body_sent; /* the transaction began; the message went out */
	submit_done_fn *fn;
	void *arg;
};

char *submit_path(const struct conf *conf, char *buf, size_t size)
{
	(void) snprintf(buf, size, "%s/mta-gateway.sock", conf->pod.run_dir);
	return buf;
}

struct submit *submit_cancel(struct submit *s)
{
	if (!s)
		return NULL;
	(void) event_del(&s->deadline);
	s->client = smtp_client_free(s->client);
	s->stream = stream_free(s->stream);
	buf_done(&s->out);
	(void) arena_free(s->arena);
	free(s);
	return NULL;
}

/* ---- the end ---- */

static struct submit_result words_of(enum submit_outcome outcome, const struct smtp_client_rcpt *r)
{
	return (struct submit_result){ .outcome = outcome,
		                       .code = r->ours ? 0 : r->code,
		                       .enhanced = r->enhanced,
		                       .text = r->text ? r->text : "",
		                       .rcpt = SIZE_MAX };
}

static enum submit_outcome refusal_at(enum smtp_client_at at)
{
	static const enum submit_outcome outcomes[] = { [SMTP_AT_NOTHING] = SUBMIT_MESSAGE_REFUSED,
		                                        [SMTP_AT_MAIL] = SUBMIT_SENDER_REFUSED,
		                                        [SMTP_AT_RCPT] = SUBMIT_RCPT_REFUSED,
		                                        [SMTP_AT_MESSAGE] = SUBMIT_MESSAGE_REFUSED };

	return outcomes[at];
}

/* The recipient whose verdict speaks for all: one that was refused, else one that is to come again. */
static size_t spokesman(const struct submit *s)
{
	size_t later = SIZE_MAX;

	for (size_t i = 0; i < s->mail.n_rcpts; i++) {
		if (s->mail.rcpts[i].verdict == SMTP_VERDICT_REFUSED)
			return i;
		if (s->mail.rcpts[i].verdict == SMTP_VERDICT_LATER ||
		    (s->mail.rcpts[i].verdict != SMTP_VERDICT_TAKEN && later == SIZE_MAX))
			later = i;
	}
	return later;
}

static struct submit_result result_of(const struct submit *s)
{
	size_t i = s->asked ? spokesman(s) : SIZE_MAX;
	const struct smtp_client_rcpt *r = i != SIZE_MAX ? &s->mail.rcpts[i] : NULL;
	struct submit_result result;

	if (!s->asked)
		return words_of(SUBMIT_LATER, smtp_client_fault_words(s->client));
	if (!r)
		return (struct submit_result){ SUBMIT_TAKEN, 250, "2.0.0", "", SIZE_MAX };
	if (r->verdict == SMTP_VERDICT_REFUSED)
		result = words_of(refusal_at(s->mail.refused_at), r);
	else
		result = words_of(s->body_sent && r->ours ? SUBMIT_UNKNOWN : SUBMIT_LATER, r);
	if (s->mail.refused_at == SMTP_AT_RCPT)
		result.rcpt = i;
	return result;
}

static void end(struct submit *s)
{
	const struct submit_result result = result_of(s);
	submit_done_fn *fn = s->fn;

	s->fn = NULL;
	fn(s->arg, &result);
	(void) submit_cancel(s);
}

/* ---- the conversation ---- */

static void write_out(struct submit *s)
{
	stream_write(s->stream, buf_span(&s->out));
	buf_clear(&s->out);
}

/* The mta offers CHUNKING: the message goes as it is. */
static void send_body(struct submit *s)
{
	write_out(s);
	if (!smtp_client_body(s->client).chunked ||
	    evbuffer_add_reference(stream_output(s->stream), s->m->bytes.p, s->m->bytes.len, NULL, NULL) <
	            0) {
		smtp_client_lost(s->client, "the message cannot be sent");
		return;
	}
	s->body_sent = true;
	smtp_client_body_sent(s->client);
}

/* Does what the machine wants until it waits for the mta; false where it was the end. */
static bool go_on(struct submit *s)
{
	for (;;) {
		switch (smtp_client_wants(s->client)) {
		case SMTP_CLIENT_READ: write_out(s); return true;
		case SMTP_CLIENT_BODY: send_body(s); break;
		case SMTP_CLIENT_READY:
			if (s->asked) {
				end(s);
				return false;
			}
			s->asked = true;
			smtp_client_mail(s->client, &s->mail);
			break;
		case SMTP_CLIENT_TLS:
		case SMTP_CLIENT_CLOSE: end(s); return false;
		}
	}
}

static void on_input(void *owner)
{
	struct submit *s = owner;
	struct evbuffer *in = stream_input(s->stream);
	struct evbuffer_iovec piece;

	while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		smtp_client_input(s->client, span_make(piece.iov_base, piece.iov_len));
		(void) evbuffer_drain(in, piece.iov_len);
	}
	(void) go_on(s);
}

static void on_writable(void *owner)
{
}

static void on_end(void *owner, enum stream_end why)
{
	struct submit *s = owner;

	smtp_client_lost(s->client,
	                 why == STREAM_TIMEOUT ? "the mta does not answer" : "the mta cannot be reached");
	end(s);
}

static const struct stream_ops ops = { .on_input = on_input, .on_writable = on_writable, .on_end = on_end };

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	on_end(arg, STREAM_TIMEOUT);
}

/* ---- the beginning ---- */

static bool has_eight_bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] > 127)
			return true;
	return false;
}

/* Commands are lines, and the mta believes this connection: nothing of a message's may end one. */
static bool fits_in_line(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static int check(const struct submit_message *m, struct err *err)
{
	bool ok = *m->login && fits_in_line(span_of(m->login)) && fits_in_line(m->sender) && m->n_rcpts > 0 &&
	          (!m->peer || fits_in_line(span_of(m->peer)));

	for (size_t i = 0; ok && i < m->n_rcpts; i++)
		ok = m->rcpts[i].len && fits_in_line(m->rcpts[i]);
	return ok ? 0 : err_set(err, POD_E_SYNTAX, "an envelope that is none");
}

static int fill_mail(struct submit *s)
{
	const struct submit_message *m = s->m;
	struct smtp_client_rcpt *rcpts = arena_array(s->arena, m->n_rcpts, sizeof(*rcpts));
	bool utf8 = has_eight_bit(m->sender);

	if (!rcpts)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < m->n_rcpts; i++) {
		rcpts[i] = (struct smtp_client_rcpt){ .address = m->rcpts[i] };
		utf8 = utf8 || has_eight_bit(m->rcpts[i]);
	}
	guid_format(&m->id, s->transid);
	s->mail = (struct smtp_client_mail){ .arena = s->arena,
		                             .sender = m->sender,
		                             .size = m->bytes.len,
		                             .eight_bit = has_eight_bit(m->bytes),
		                             .utf8 = utf8,
		                             .login = span_of(m->login),
		                             .transid = span_of(s->transid),
		                             .all_or_none = true,
		                             .rcpts = rcpts,
		                             .n_rcpts = m->n_rcpts };
	return 0;
}

/* An address literal (RFC 5321 4.1.3): the mta says in Received what we say. */
static void name_client(struct submit *s)
{
	const char *peer = s->m->peer && *s->m->peer ? s->m->peer : NULL;

	if (peer)
		(void) snprintf(s->hostname, sizeof(s->hostname), "[%s%s]", strchr(peer, ':') ? "IPv6:" : "",
		                peer);
	else
		(void) snprintf(s->hostname, sizeof(s->hostname), "localhost");
	s->settings = (struct smtp_client_settings){ .hostname = s->hostname, .tls = SMTP_CLIENT_TLS_NEVER };
}

static int open_stream(struct submit *s, struct event_base *base, const char *path, struct err *err)
{
	char text[SUBMIT_PATH_SIZE + 8];
	struct net_addr addr;
	int r;

	(void) snprintf(text, sizeof(text), "unix:%s", path);
	r = net_addr_parse(span_of(text), &addr, err);
	if (r == 0)
		r = stream_connect(base, (const struct sockaddr *) &addr.ss, addr.len, &ops, s, &s->stream,
		                   err);
	if (r == 0)
		stream_set_timeouts(s->stream, 0, WRITE_MS);
	return r;
}

int submit_start(struct event_base *base, const char *path, unsigned int timeout_ms,
                 const struct submit_message *m, submit_done_fn *fn, void *arg, struct submit **ret_submit,
                 struct err *err)
{
	struct submit *s = NULL;
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int r = check(m, err);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory to submit");
	s->m = m;
	s->fn = fn;
	s->arg = arg;
	(void) evtimer_assign(&s->deadline, base, on_deadline, s);
	name_client(s);
	s->arena = arena_create(RESULTS_ARENA + m->n_rcpts * 1024);
	s->client = smtp_client_create(&s->settings, &s->out);
	r = s->arena && s->client && event_add(&s->deadline, &tv) == 0 ? fill_mail(s) : -POD_E_NOMEM;
	if (r < 0)
		(void) err_set(err, POD_E_NOMEM, "no memory to submit");
	else
		r = open_stream(s, base, path, err);
	if (r < 0) {
		(void) submit_cancel(s);
		return r;
	}
	*ret_submit = s;
	return 0;
}
