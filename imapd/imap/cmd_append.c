/*
 * APPEND (RFC 3501 6.3.11) with APPENDUID (RFC 4315). The message goes past the command buffer into a spool;
 * size, quota and mailbox are looked at before the client is asked to send it.
 */
#include "base/clock.h"
#include "base/id.h"
#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"
#include "imapd/imap/spool.h"
#include "mime/mime.h"

#define SWALLOW_MAX (16u << 20)

struct append {
	struct imap_session *s;
	Podstore__Append request;
	Podstore__Summary summary;
	Podstore__QuotaGet quota;
	Podstore__MailboxGet mailbox;
	struct guid id;
	char trace[TRACE_ID_SIZE];
	uint64_t size, left;
	bool sync;   /* the client waits for "+" */
	int checks;  /* answers still to come */
	int refused; /* -POD_E_* */
	struct imap_spool spool;
	struct arena *parse; /* of the message */
};

static void abort_append(struct imap_session *s)
{
	struct append *ap = s->data;

	imap_spool_done(&ap->spool);
	ap->parse = arena_free(ap->parse);
}

static void end_append(struct append *ap)
{
	abort_append(ap->s);
	ap->s->on_abort = NULL;
}

/* ---- arguments ---- */

static int take_flags(struct imap_parser *p, struct append *ap)
{
	struct imap_flags flags = { 0 };
	int r;

	if (imap_peek(p) != '(')
		return 0;
	r = imap_parse_flag_list(p, &flags);
	if (r < 0)
		return r;
	ap->request.flags = flags.system;
	ap->request.keywords = arena_array(p->a, flags.keywords_n + 1, sizeof(char *));
	for (size_t i = 0; ap->request.keywords && i < flags.keywords_n; i++) {
		ap->request.keywords[i] = arena_str(p->a, flags.keywords[i]);
		if (!ap->request.keywords[i])
			return -POD_E_NOMEM;
		ap->request.n_keywords++;
	}
	return ap->request.keywords ? imap_parse_space(p) : -POD_E_NOMEM;
}

/* append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal; up to the literal's "{" */
static int parse_append(struct imap_parser *p, struct append *ap)
{
	struct span name;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_mailbox(p, &name);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = take_flags(p, ap);
	if (r == 0 && imap_peek(p) == '"') {
		r = imap_parse_date_time(p, &ap->request.internal_date);
		if (r == 0)
			r = imap_parse_space(p);
	}
	if (r < 0)
		return r;
	ap->request.mailbox = arena_str(p->a, name);
	if (!ap->request.mailbox)
		return -POD_E_NOMEM;
	if (imap_peek(p) != '{')
		return imap_parse_fail(p, "Expected the message as a literal");
	return 0;
}

/* Without a literal at its end the command is never complete; here only its error is found. */
void imap_cmd_append(struct imap_session *s, struct imap_parser *p)
{
	struct append *ap = arena_new(s->a, struct append);
	int r = ap ? parse_append(p, ap) : -POD_E_NOMEM;

	imap_reply_parse(s, p, r < 0 ? r : imap_parse_fail(p, "Malformed literal"));
}

/* ---- before the message ---- */

static void reply_refused(struct append *ap, int code)
{
	struct imap_session *s = ap->s;

	end_append(ap);
	if (code == -POD_E_NOTFOUND)
		imap_reply_no(s, "[TRYCREATE] No such mailbox");
	else if (code == -POD_E_LIMIT)
		imap_reply_no(s, "[TOOBIG] Message is larger than %llu bytes",
		              (unsigned long long) s->settings->max_literal);
	else
		imap_reply_error(s, code);
}

static void ask_for_message(struct append *ap)
{
	struct imap_session *s = ap->s;

	if (ap->sync)
		imap_continue(s, "OK");
	ap->left = ap->size;
	s->mode = IMAP_TAKES_LITERAL;
}

static void on_checked(struct append *ap, int code)
{
	/* A store that is away now may be back when the message is here. Of several reasons the first is
	 * told. */
	if (ap->refused == 0 && code < 0 && code != -POD_E_UNAVAILABLE && code != -POD_E_TIMEOUT)
		ap->refused = code;
	if (--ap->checks > 0)
		return;
	/* From a client that does not wait to be asked, the message is swallowed first (RFC 7888 4). */
	if (ap->refused < 0 && ap->sync)
		reply_refused(ap, ap->refused);
	else if (ap->refused < 0 && ap->size > SWALLOW_MAX && ap->size > ap->s->settings->max_literal)
		imap_session_bye(ap->s, "[TOOBIG] Message is too large");
	else
		ask_for_message(ap);
}

static void on_mailbox(void *arg, const struct store_reply *reply)
{
	struct append *ap = arg;
	const Podstore__Mailbox *box = (const Podstore__Mailbox *) reply->message;

	on_checked(ap, reply->code == 0 && !box->exists ? -POD_E_NOTFOUND : reply->code);
}

static void on_quota(void *arg, const struct store_reply *reply)
{
	struct append *ap = arg;
	const Podstore__QuotaReply *quota = (const Podstore__QuotaReply *) reply->message;
	bool over =
		reply->code == 0 && quota->limit_bytes > 0 &&
		(quota->used_bytes > quota->limit_bytes || ap->size > quota->limit_bytes - quota->used_bytes);

	on_checked(ap, over ? -POD_E_QUOTA : reply->code);
}

static void check(struct append *ap)
{
	struct imap_session *s = ap->s;

	podstore__quota_get__init(&ap->quota);
	podstore__mailbox_get__init(&ap->mailbox);
	ap->mailbox.name = ap->request.mailbox;
	ap->checks = 3;
	if (!imap_call(s, STORE_QUOTA_GET, &ap->quota.base, SPAN_NONE, -1, on_quota, ap))
		on_checked(ap, -POD_E_NOMEM);
	if (!imap_call(s, STORE_MAILBOX_GET, &ap->mailbox.base, SPAN_NONE, -1, on_mailbox, ap))
		on_checked(ap, -POD_E_NOMEM);
	on_checked(ap, ap->size > s->settings->max_literal ? -POD_E_LIMIT : 0);
}

/* Whether the command so far is an APPEND up to its message; then it is taken over from here. */
bool imap_append_begin(struct imap_session *s)
{
	/* The buffer moves when the rest of the line comes, so that arguments live in the arena. */
	struct imap_parser p = IMAP_PARSER(arena_dup(s->a, imap_input_command(&s->input)), s->a);
	struct append *ap = arena_new(s->a, struct append);
	struct span tag, literal;
	uint64_t size;
	bool uid, sync;

	if (!ap || imap_parse_tag(&p, &tag) < 0 || tag.len > IMAP_TAG_MAX || imap_parse_space(&p) < 0)
		return false;
	s->command = imap_command_find(&p, &uid);
	podstore__append__init(&ap->request);
	ap->spool = IMAP_SPOOL_INIT;
	if (!s->command || s->command->run != imap_cmd_append || parse_append(&p, ap) < 0) {
		s->command = NULL;
		return false;
	}
	literal = p.in;
	/* An earlier literal (the mailbox's name) would still be followed by the rest of its line. */
	if (span_find_byte(literal, '\n') != SIZE_MAX || !imap_literal_header(literal, &size, &sync)) {
		s->command = NULL;
		return false;
	}
	memcpy(s->tag, tag.p, tag.len);
	s->tag[tag.len] = '\0';
	ap->s = s;
	ap->size = size;
	ap->sync = sync;
	s->data = ap;
	s->on_abort = abort_append;
	s->mode = IMAP_BUSY;
	check(ap);
	return true;
}

/* ---- the message ---- */

static struct span next_bytes(struct evbuffer *in, uint64_t limit)
{
	size_t n = evbuffer_get_contiguous_space(in);

	if (n > limit)
		n = (size_t) limit;
	return span_make(n > 0 ? evbuffer_pullup(in, (ev_ssize_t) n) : NULL, n);
}

bool imap_append_take(struct imap_session *s, struct evbuffer *in)
{
	struct append *ap = s->data;
	struct span bytes = next_bytes(in, ap->left);

	if (bytes.len == 0 && ap->left > 0)
		return false;
	if (ap->refused == 0)
		ap->refused = imap_spool_add(&ap->spool, s->settings->temp_dir, bytes);
	(void) evbuffer_drain(in, bytes.len);
	ap->left -= bytes.len;
	if (ap->left == 0) {
		imap_input_pass_literal(&s->input);
		s->mode = IMAP_TAKES_COMMAND_END;
	}
	return true;
}

static void on_appended(void *arg, const struct store_reply *reply)
{
	struct append *ap = arg;
	struct imap_session *s = ap->s;
	const Podstore__AppendReply *appended = (const Podstore__AppendReply *) reply->message;

	end_append(ap);
	if (reply->code == -POD_E_NOTFOUND) {
		imap_reply_no(s, "[TRYCREATE] No such mailbox");
	} else if (reply->code < 0) {
		imap_reply_store(s, reply);
	} else {
		imap_selected_touch(s->selected, ap->request.mailbox);
		log_event(s->log, LOGL_INFO, "message.appended", F_STR("trace", ap->trace),
		          F_UINT("size", ap->size), F_UINT("uid", appended->uid));
		imap_reply_ok(s, "[APPENDUID %u %u] APPEND done", appended->uidvalidity, appended->uid);
	}
}

static ProtobufCBinaryData binary(struct span s)
{
	union {
		const uint8_t *from;
		uint8_t *to;
	} p = { .from = s.p };

	return (ProtobufCBinaryData){ .len = s.len, .data = p.to };
}

/* MIME is parsed here, so that the store never does. */
static int summarize(struct append *ap)
{
	struct mime_summary summary;
	struct span bytes;
	int r = imap_spool_map(&ap->spool, &bytes);

	ap->parse = arena_create(IMAP_ARENA_LIMIT);
	if (!ap->parse)
		return -POD_E_NOMEM;
	if (r == 0)
		r = mime_summarize(ap->parse, bytes, &summary);
	if (r < 0)
		return r;
	podstore__summary__init(&ap->summary);
	ap->summary.envelope = binary(summary.envelope);
	ap->summary.bodystructure = binary(summary.bodystructure);
	ap->summary.parts = binary(summary.parts);
	ap->summary.headers = binary(summary.headers);
	ap->request.summary = &ap->summary;
	return 0;
}

static int send_append(struct append *ap)
{
	bool in_memory = ap->spool.fd < 0;
	int r = summarize(ap);

	if (r < 0)
		return r;
	ap->id = guid_new();
	trace_id_new(ap->trace);
	ap->request.append_id.data = ap->id.b;
	ap->request.append_id.len = ID_SIZE;
	ap->request.size = ap->size;
	if (ap->request.internal_date == 0)
		ap->request.internal_date = clock_wall_s();
	return imap_call(ap->s, STORE_APPEND, &ap->request.base,
	                 in_memory ? buf_span(&ap->spool.memory) : SPAN_NONE, ap->spool.fd, on_appended, ap)
	               ? 0
	               : -POD_E_NOMEM;
}

void imap_append_end(struct imap_session *s, struct span rest)
{
	struct append *ap = s->data;
	int r = ap->refused;

	if (rest.len > 0) {
		end_append(ap);
		imap_reply_bad(s, "Unexpected characters after the message");
		return;
	}
	if (r == 0)
		r = send_append(ap);
	if (r < 0)
		reply_refused(ap, r);
}
