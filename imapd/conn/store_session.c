#include "imapd/conn/store_session.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"

#define TOKEN_RENEW_MS (6ull * 60 * 60 * 1000) /* a quarter of a token's life */

enum session_state { SESSION_NONE, SESSION_OPENING, SESSION_OPEN };

struct imap_call {
	TAILQ_ENTRY(imap_call) entry;
	struct store_session *ss;
	enum store_method method;
	ProtobufCMessage *request;
	struct span blob;
	int fd;
	store_reply_fn *fn; /* NULL: cancelled */
	void *arg;
	struct store_call *call; /* NULL while it waits for the session */
	uint64_t deadline_ms;    /* 0: none */
	unsigned int generation; /* of the session it was sent in */
	bool paused;
	bool repeated; /* an answer was lost: it may have been done already */
	bool begun;    /* a part of the answer was passed on */
	bool failing;  /* among those that fail_waiting() is at */
};

/* A SESSION_OPEN under way. It outlives its session, whose number in the store must be closed when it comes.
 */
struct opening {
	struct store_session *ss; /* NULL: nobody wants it any more */
	struct store_client *client;
	unsigned int timeout_ms;
};

struct store_session {
	struct store_session_options o;
	uint8_t *token;
	enum session_state state;
	unsigned int generation; /* counts the sessions opened */
	uint32_t session;
	uint64_t connection; /* the store's, on which that number was given */
	bool watch_lost;
	struct opening *opening, *renewing;
	bool checking, check_again; /* renewing is for store_session_check; one more is wanted after it */
	uint64_t token_ms;          /* when the token was given */
	TAILQ_HEAD(, imap_call) calls;
};

static void send_call(struct imap_call *call);
static void open_session(struct store_session *ss);

struct store_session *store_session_create(const struct store_session_options *o)
{
	struct store_session *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	ss->o = *o;
	ss->token = malloc(o->token.len + 1);
	if (!ss->token) {
		free(ss);
		return NULL;
	}
	memcpy(ss->token, o->token.p, o->token.len);
	ss->token_ms = clock_mono_ms();
	TAILQ_INIT(&ss->calls);
	open_session(ss); /* while the client reads that it is logged in: its first request need not wait */
	return ss;
}

static void call_free(struct imap_call *call)
{
	TAILQ_REMOVE(&call->ss->calls, call, entry);
	free(call);
}

/* Nobody waits for the answer. */
static void on_closed(void *arg, const struct store_reply *reply)
{
}

/* Where it can not be told, the store forgets the session with the connection. */
static void close_session(struct store_client *client, unsigned int timeout_ms, uint32_t session)
{
	Podstore__SessionClose request = PODSTORE__SESSION_CLOSE__INIT;

	request.session = session;
	(void) store_call(client, STORE_SESSION_CLOSE, &request.base, SPAN_NONE, -1, timeout_ms, on_closed,
	                  NULL);
}

static void abandon(struct opening *opening)
{
	if (opening)
		opening->ss = NULL;
}

/* Asks for a session; fn gets a struct opening to end. NULL where memory is out. */
static struct opening *ask_session(struct store_session *ss, store_reply_fn *fn)
{
	Podstore__SessionOpen request = PODSTORE__SESSION_OPEN__INIT;
	struct opening *opening = malloc(sizeof(*opening));

	if (!opening)
		return NULL;
	*opening = (struct opening){ ss, ss->o.client, ss->o.timeout_ms };
	request.session_token.data = ss->token;
	request.session_token.len = ss->o.token.len;
	if (store_call(ss->o.client, STORE_SESSION_OPEN, &request.base, SPAN_NONE, -1, ss->o.timeout_ms, fn,
	               opening))
		return opening;
	free(opening);
	return NULL;
}

/* Who asked; NULL where he went meanwhile, and then his session is closed. */
static struct store_session *end_opening(struct opening *opening, const struct store_reply *reply)
{
	const Podstore__SessionOpenReply *opened = (const Podstore__SessionOpenReply *) reply->message;
	struct store_session *ss = opening->ss;

	if (!ss && reply->code == 0)
		close_session(opening->client, opening->timeout_ms, opened->session);
	free(opening);
	return ss;
}

/* A token expires; each opening gives a new one. Without memory the old one is kept, which is good for a
 * while. */
static void take_token(struct store_session *ss, ProtobufCBinaryData token)
{
	uint8_t *copy = token.len > 0 ? malloc(token.len) : NULL;

	if (!copy)
		return;
	memcpy(copy, token.data, token.len);
	free(ss->token);
	ss->token = copy;
	ss->o.token.len = token.len;
	ss->token_ms = clock_mono_ms();
}

/*
 * One that had nothing under way when its connection was lost hears nothing of that. On the next connection
 * its number is nobody's, or another user's.
 */
static bool is_open(struct store_session *ss)
{
	if (ss->state == SESSION_OPEN && ss->connection != store_client_connections(ss->o.client))
		ss->state = SESSION_NONE;
	return ss->state == SESSION_OPEN;
}

struct store_session *store_session_free(struct store_session *ss)
{
	struct imap_call *call;

	if (!ss)
		return NULL;
	while ((call = TAILQ_FIRST(&ss->calls))) {
		if (call->call)
			store_call_cancel(call->call);
		call_free(call);
	}
	abandon(ss->opening);
	abandon(ss->renewing);
	if (is_open(ss))
		close_session(ss->o.client, ss->o.timeout_ms, ss->session);
	free(ss->token);
	free(ss);
	return NULL;
}

/* The final answer of our own making. */
static void fail_call(struct imap_call *call, int code)
{
	struct store_reply reply = { .final = true, .code = code, .text = "", .fd = -1 };
	store_reply_fn *fn = call->fn;
	void *arg = call->arg;

	call_free(call);
	if (fn)
		fn(arg, &reply);
}

/* Calls that wait for a session that can not be had; not those which their callbacks make. */
static void fail_waiting(struct store_session *ss, int code)
{
	struct imap_call *call;

	TAILQ_FOREACH(call, &ss->calls, entry)
	call->failing = !call->call;
	do {
		TAILQ_FOREACH(call, &ss->calls, entry)
		if (call->failing)
			break;
		if (call)
			fail_call(call, code);
	} while (call);
}

static void send_waiting(struct store_session *ss)
{
	struct imap_call *call, *next;

	for (call = TAILQ_FIRST(&ss->calls); call && is_open(ss); call = next) {
		next = TAILQ_NEXT(call, entry);
		if (!call->call && call->fn)
			send_call(call);
	}
}

static void on_opened(void *arg, const struct store_reply *reply)
{
	struct store_session *ss = end_opening(arg, reply);
	const Podstore__SessionOpenReply *opened = (const Podstore__SessionOpenReply *) reply->message;

	if (!ss)
		return;
	ss->opening = NULL;
	ss->state = SESSION_NONE;
	if (reply->code == -POD_E_UNAVAILABLE) { /* lost once more, before the answer */
		open_session(ss);
	} else if (reply->code == -POD_E_TIMEOUT) {
		fail_waiting(ss, reply->code);
		if (ss->watch_lost)
			open_session(ss);
		ss->o.on_answered(ss->o.arg);
	} else if (reply->code < 0) {
		fail_waiting(ss, reply->code);
		ss->o.on_refused(ss->o.arg, reply->code);
	} else {
		bool back = ss->watch_lost;

		ss->state = SESSION_OPEN;
		ss->session = opened->session;
		ss->connection = store_client_connections(ss->o.client);
		take_token(ss, opened->session_token);
		ss->generation++;
		ss->watch_lost = false;
		send_waiting(ss);
		if (back)
			ss->o.on_back(ss->o.arg);
	}
}

static void open_session(struct store_session *ss)
{
	if (ss->state != SESSION_NONE)
		return;
	ss->opening = ask_session(ss, on_opened);
	if (ss->opening)
		ss->state = SESSION_OPENING;
}

static void on_renewed(void *arg, const struct store_reply *reply)
{
	struct store_session *ss = end_opening(arg, reply);
	const Podstore__SessionOpenReply *opened = (const Podstore__SessionOpenReply *) reply->message;
	bool checking;

	if (!ss)
		return;
	checking = ss->checking;
	ss->renewing = NULL;
	ss->checking = false;
	if (reply->code == 0) {
		take_token(ss, opened->session_token);
		close_session(ss->o.client, ss->o.timeout_ms, opened->session);
	}
	if (ss->check_again)
		store_session_check(ss);
	else if (checking && reply->code < 0 && reply->code != -POD_E_UNAVAILABLE &&
	         reply->code != -POD_E_TIMEOUT)
		ss->o.on_refused(ss->o.arg, reply->code);
}

/* One that is under way may be of before the change. Where it is lost, the next opening says the same. */
void store_session_check(struct store_session *ss)
{
	ss->check_again = ss->renewing != NULL;
	if (ss->renewing)
		return;
	ss->renewing = ask_session(ss, on_renewed);
	ss->checking = ss->renewing != NULL;
}

/* A client may stay for days: its token is exchanged for a new one long before it expires. */
static void renew_token(struct store_session *ss)
{
	if (!ss->renewing && clock_mono_ms() - ss->token_ms >= TOKEN_RENEW_MS)
		ss->renewing = ask_session(ss, on_renewed);
}

/* The connection is gone, and with it the session; of several calls that fail with it the first one says so.
 */
static void session_lost(struct store_session *ss, unsigned int generation)
{
	if (ss->state == SESSION_OPEN && ss->generation == generation)
		ss->state = SESSION_NONE;
}

static bool can_repeat(const struct imap_call *call)
{
	if (call->method == STORE_WATCH || !call->fn)
		return false;
	if (call->method == STORE_BODY_OPEN && call->begun)
		return false; /* its bytes would come twice */
	return call->deadline_ms > clock_mono_ms();
}

/* A change that cannot be done twice, and was found done when it was repeated. */
static bool was_done(const struct imap_call *call, int code)
{
	if (!call->repeated)
		return false;
	return (call->method == STORE_MAILBOX_CREATE && code == -POD_E_EXISTS) ||
	       (call->method == STORE_MAILBOX_DELETE && code == -POD_E_NOTFOUND) ||
	       (call->method == STORE_MAILBOX_RENAME && code == -POD_E_NOTFOUND);
}

static void pass_on(struct imap_call *call, const struct store_reply *reply)
{
	struct store_session *ss = call->ss;
	struct store_reply done = *reply;
	store_reply_fn *fn = call->fn;
	void *arg = call->arg;

	if (was_done(call, reply->code))
		done.code = 0;
	call->begun = true;
	if (reply->final)
		call_free(call);
	if (!fn)
		return;
	fn(arg, &done);
	ss->o.on_answered(ss->o.arg); /* may free ss */
}

static void on_reply(void *arg, const struct store_reply *reply)
{
	struct imap_call *call = arg;
	struct store_session *ss = call->ss;

	if (reply->final)
		call->call = NULL;
	if (reply->code == -POD_E_UNAVAILABLE) {
		session_lost(ss, call->generation);
		if (call->method == STORE_WATCH)
			ss->watch_lost = true;
		open_session(ss);
		if (can_repeat(call)) {
			call->repeated = true;
			if (is_open(ss))
				send_call(call);
			return;
		}
	}
	pass_on(call, reply);
}

/* Every message of a session has it as its first field. */
static void set_session(ProtobufCMessage *request, uint32_t session)
{
	const ProtobufCFieldDescriptor *field = &request->descriptor->fields[0];

	memcpy((uint8_t *) request + field->offset, &session, sizeof(session));
}

static void send_call(struct imap_call *call)
{
	struct store_session *ss = call->ss;
	uint64_t now = clock_mono_ms();
	unsigned int left = 0;

	if (call->deadline_ms)
		left = call->deadline_ms > now ? (unsigned int) (call->deadline_ms - now) : 1;
	set_session(call->request, ss->session);
	call->generation = ss->generation;
	call->call = store_call(ss->o.client, call->method, call->request, call->blob, call->fd, left,
	                        on_reply, call);
	/* Without memory it stays waiting, and goes out (or fails) with the next one that is sent. */
	if (call->call && call->paused)
		store_call_pause(call->call);
}

struct imap_call *store_session_call(struct store_session *ss, enum store_method method,
                                     ProtobufCMessage *request, struct span blob, int fd, store_reply_fn *fn,
                                     void *arg)
{
	struct imap_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct imap_call){
		.ss = ss, .method = method, .request = request, .blob = blob, .fd = fd, .fn = fn, .arg = arg
	};
	if (method != STORE_WATCH)
		call->deadline_ms = clock_mono_ms() + ss->o.timeout_ms;
	TAILQ_INSERT_TAIL(&ss->calls, call, entry);
	if (is_open(ss)) {
		renew_token(ss);
		send_call(call);
		if (!call->call) {
			call_free(call);
			return NULL;
		}
		return call;
	}
	open_session(ss);
	if (ss->state == SESSION_NONE) {
		call_free(call);
		return NULL;
	}
	return call;
}

void store_session_cancel(struct imap_call *call)
{
	if (call->call)
		store_call_cancel(call->call);
	call_free(call);
}

void store_session_pause(struct imap_call *call)
{
	call->paused = true;
	if (call->call)
		store_call_pause(call->call);
}

void store_session_resume(struct imap_call *call)
{
	call->paused = false;
	if (call->call)
		store_call_resume(call->call);
}
