#include "tests/support/imap_host.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "mime/mime.h"

#define MESSAGES_MAX 256
#define BOXES_MAX    32
#define METHODS      128
#define ROWS_A_FRAME 3 /* so that answers come in several */
#define BLOB_MAX     512 /* larger bodies are files */

struct message {
	uint32_t box, uid, flags;
	uint64_t modseq;
	int64_t date;
	struct buf bytes;
	struct arena *a;
	struct mime_summary summary;
	bool gone;
};

struct box {
	char name[1024], use[32];
	bool exists, subscribed;
	uint32_t uidnext, recent_from;
	uint64_t modseq;
	char keywords[26][104];
	char *keyword_list[26];
	size_t keywords_n;
};

struct imap_call {
	TAILQ_ENTRY(imap_call) entry;
	enum store_method method;
	ProtobufCMessage *request;
	struct span blob;
	int fd;
	store_reply_fn *reply;
	void *arg;
	bool paused, watch;
	size_t row; /* of a FETCH: where it goes on */
};

struct imap_host {
	struct imap_session *session;
	struct imap_settings settings;
	struct evbuffer *in, *out;
	struct buf said;
	struct message messages[MESSAGES_MAX];
	size_t messages_n;
	struct box boxes[BOXES_MAX];
	size_t boxes_n;
	uint64_t modseq;
	int fail[METHODS];
	unsigned int requests[METHODS];
	bool closed, blocked, start_tls, announce, auth_due;
	int auth_code;
	unsigned int auth_steps;
	TAILQ_HEAD(, imap_call) calls;
	struct arena *a; /* of one answer */
	const struct store_reply *answering;
};

static struct box *box_find(struct imap_host *h, const char *name)
{
	for (size_t i = 0; i < h->boxes_n; i++)
		if (strcmp(h->boxes[i].name, name) == 0 && (h->boxes[i].exists || h->boxes[i].subscribed))
			return &h->boxes[i];
	return NULL;
}

static struct box *box_add(struct imap_host *h, const char *name, const char *use, bool exists)
{
	struct box *b = box_find(h, name);

	if (!b && h->boxes_n == BOXES_MAX)
		return NULL;
	if (!b) {
		b = &h->boxes[h->boxes_n++];
		*b = (struct box){ .uidnext = 1, .recent_from = 1, .modseq = ++h->modseq };
		(void) snprintf(b->name, sizeof(b->name), "%s", name);
	}
	(void) snprintf(b->use, sizeof(b->use), "%s", use);
	b->exists = exists;
	return b;
}

static uint32_t box_id(const struct imap_host *h, const struct box *b)
{
	return (uint32_t) (b - h->boxes) + 1;
}

static struct message *message_add(struct imap_host *h, struct box *b, struct span bytes, uint32_t flags, int64_t date)
{
	struct message *m;

	if (h->messages_n == MESSAGES_MAX)
		return NULL;
	m = &h->messages[h->messages_n++];
	*m = (struct message){ .box = box_id(h, b), .uid = b->uidnext++, .flags = flags, .modseq = ++h->modseq, .date = date };
	buf_add(&m->bytes, bytes);
	m->a = arena_create(64u << 20);
	assert(m->a);
	if (mime_summarize(m->a, buf_span(&m->bytes), &m->summary) < 0)
		m->summary = (struct mime_summary){ 0 };
	b->modseq = m->modseq;
	return m;
}

/* ---- answers ---- */

static void answer(struct imap_host *h, struct imap_call *call, bool final, int code, const ProtobufCMessage *message,
                   struct span blob, int fd)
{
	struct store_reply r = { .final = final, .code = code, .text = "", .message = message, .blob = blob, .fd = fd };
	store_reply_fn *fn = call->reply;
	void *arg = call->arg;

	if (final) {
		TAILQ_REMOVE(&h->calls, call, entry);
		free(call);
	}
	fn(arg, &r);
	if (!h->closed)
		imap_session_run(h->session, h->in);
}

static void answer_ok(struct imap_host *h, struct imap_call *call, const ProtobufCMessage *message)
{
	answer(h, call, true, 0, message, SPAN_NONE, -1);
}

static void answer_error(struct imap_host *h, struct imap_call *call, int code)
{
	answer(h, call, true, -code, NULL, SPAN_NONE, -1);
}

static bool in_ranges(Podstore__UidRange **r, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (uid >= r[i]->first && uid <= r[i]->last)
			return true;
	return false;
}

static Podstore__UidRange **one_each(struct imap_host *h, const uint32_t *uids, size_t n)
{
	Podstore__UidRange **p = arena_array(h->a, n + 1, sizeof(*p));

	assert(p);
	for (size_t i = 0; i < n; i++) {
		p[i] = arena_new(h->a, Podstore__UidRange);
		assert(p[i]);
		podstore__uid_range__init(p[i]);
		p[i]->first = p[i]->last = uids[i];
	}
	return p;
}

static Podstore__Mailbox *describe(struct imap_host *h, struct box *b)
{
	Podstore__Mailbox *m = arena_new(h->a, Podstore__Mailbox);
	size_t len = strlen(b->name);

	assert(m);
	podstore__mailbox__init(m);
	m->id = box_id(h, b);
	m->name = b->name;
	m->special_use = b->use;
	m->subscribed = b->subscribed;
	m->exists = b->exists;
	m->uidvalidity = 1000 + m->id;
	m->uidnext = b->uidnext;
	m->highestmodseq = b->modseq;
	m->keywords = b->keyword_list;
	m->n_keywords = b->keywords_n;
	for (size_t i = 0; i < b->keywords_n; i++)
		b->keyword_list[i] = b->keywords[i];
	for (size_t i = 0; i < h->boxes_n; i++)
		m->has_children |= strncmp(h->boxes[i].name, b->name, len) == 0 && h->boxes[i].name[len] == '/';
	for (size_t i = 0; i < h->messages_n; i++) {
		const struct message *msg = &h->messages[i];

		if (msg->box != m->id || msg->gone)
			continue;
		m->messages++;
		m->unseen += !(msg->flags & STORE_FLAG_SEEN);
		m->recent += msg->uid >= b->recent_from;
	}
	return m;
}

static void do_list(struct imap_host *h, struct imap_call *call)
{
	Podstore__MailboxListReply reply = PODSTORE__MAILBOX_LIST_REPLY__INIT;
	Podstore__Mailbox *boxes[BOXES_MAX];

	reply.mailboxes = boxes;
	for (size_t i = 0; i < h->boxes_n; i++) {
		Podstore__Mailbox *m = describe(h, &h->boxes[i]);

		if (m->exists || m->subscribed || m->has_children)
			boxes[reply.n_mailboxes++] = m;
	}
	answer_ok(h, call, &reply.base);
}

static void do_get(struct imap_host *h, struct imap_call *call)
{
	struct box *b = box_find(h, ((Podstore__MailboxGet *) call->request)->name);

	if (b && b->exists)
		answer_ok(h, call, &describe(h, b)->base);
	else
		answer_error(h, call, POD_E_NOTFOUND);
}

static void do_open(struct imap_host *h, struct imap_call *call)
{
	const Podstore__MailboxOpen *rq = (const Podstore__MailboxOpen *) call->request;
	Podstore__MailboxOpenReply reply = PODSTORE__MAILBOX_OPEN_REPLY__INIT;
	struct box *b = box_find(h, rq->name);
	uint32_t uids[MESSAGES_MAX];

	if (!b || !b->exists) {
		answer_error(h, call, POD_E_NOTFOUND);
		return;
	}
	reply.mailbox = describe(h, b);
	for (size_t i = 0; i < h->messages_n; i++) {
		const struct message *m = &h->messages[i];

		if (m->box != box_id(h, b) || m->gone)
			continue;
		uids[reply.n_uids++] = m->uid;
		if (!reply.first_unseen_uid && !(m->flags & STORE_FLAG_SEEN))
			reply.first_unseen_uid = m->uid;
	}
	reply.uids = one_each(h, uids, reply.n_uids);
	reply.first_recent_uid = b->recent_from < b->uidnext ? b->recent_from : 0;
	if (!rq->read_only)
		b->recent_from = b->uidnext;
	answer_ok(h, call, &reply.base);
}

static void do_create(struct imap_host *h, struct imap_call *call)
{
	const Podstore__MailboxCreate *rq = (const Podstore__MailboxCreate *) call->request;
	struct box *b = box_find(h, rq->name);

	if (b && b->exists)
		answer_error(h, call, POD_E_EXISTS);
	else if (strlen(rq->name) == 0 || strlen(rq->name) > 1000)
		answer_error(h, call, POD_E_SYNTAX);
	else if (!(b = box_add(h, rq->name, rq->special_use, true)))
		answer_error(h, call, POD_E_LIMIT);
	else
		answer_ok(h, call, &describe(h, b)->base);
}

static void done(struct imap_host *h, struct imap_call *call)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	answer_ok(h, call, &empty.base);
}

static void do_delete(struct imap_host *h, struct imap_call *call)
{
	struct box *b = box_find(h, ((Podstore__MailboxDelete *) call->request)->name);

	if (!b || !b->exists) {
		answer_error(h, call, POD_E_NOTFOUND);
		return;
	}
	for (size_t i = 0; i < h->messages_n; i++)
		h->messages[i].gone |= h->messages[i].box == box_id(h, b);
	b->exists = false;
	done(h, call);
}

static void do_rename(struct imap_host *h, struct imap_call *call)
{
	const Podstore__MailboxRename *rq = (const Podstore__MailboxRename *) call->request;
	struct box *b = box_find(h, rq->name);

	if (!b || !b->exists || strcmp(rq->name, "INBOX") == 0) {
		answer_error(h, call, POD_E_NOTFOUND);
	} else if (box_find(h, rq->new_name)) {
		answer_error(h, call, POD_E_EXISTS);
	} else {
		(void) snprintf(b->name, sizeof(b->name), "%s", rq->new_name);
		done(h, call);
	}
}

static void do_subscribe(struct imap_host *h, struct imap_call *call)
{
	const Podstore__MailboxSubscribe *rq = (const Podstore__MailboxSubscribe *) call->request;
	struct box *b = box_find(h, rq->name);

	if (!b && rq->subscribed)
		b = box_add(h, rq->name, "", false);
	if (b)
		b->subscribed = rq->subscribed;
	done(h, call);
}

/* ---- messages ---- */

struct columns {
	Podstore__Rows rows;
	uint32_t uids[MESSAGES_MAX], flags[MESSAGES_MAX];
	uint64_t modseqs[MESSAGES_MAX], sizes[MESSAGES_MAX];
	int64_t dates[MESSAGES_MAX];
	ProtobufCBinaryData envelopes[MESSAGES_MAX], structures[MESSAGES_MAX], headers[MESSAGES_MAX];
};

static ProtobufCBinaryData copy(struct imap_host *h, struct span s)
{
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *) arena_str(h->a, s) };
}

static void add_row(struct imap_host *h, struct columns *c, const struct message *m, uint32_t columns)
{
	size_t i = c->rows.n_uids++;

	c->uids[i] = m->uid;
	c->flags[i] = m->flags;
	c->modseqs[i] = m->modseq;
	c->sizes[i] = m->bytes.len;
	c->dates[i] = m->date;
	c->envelopes[i] = copy(h, m->summary.envelope);
	c->structures[i] = copy(h, m->summary.bodystructure);
	c->headers[i] = copy(h, m->summary.headers);
	c->rows.n_flags = columns & STORE_COL_FLAGS ? i + 1 : 0;
	c->rows.n_modseqs = columns & STORE_COL_MODSEQ ? i + 1 : 0;
	c->rows.n_sizes = columns & STORE_COL_SIZE ? i + 1 : 0;
	c->rows.n_internal_dates = columns & STORE_COL_INTERNAL_DATE ? i + 1 : 0;
	c->rows.n_envelopes = columns & STORE_COL_ENVELOPE ? i + 1 : 0;
	c->rows.n_bodystructures = columns & STORE_COL_BODYSTRUCTURE ? i + 1 : 0;
	c->rows.n_headers = columns & STORE_COL_HEADERS ? i + 1 : 0;
}

static struct columns *columns_new(struct imap_host *h)
{
	struct columns *c = arena_new(h->a, struct columns);

	assert(c);
	podstore__rows__init(&c->rows);
	c->rows.uids = c->uids;
	c->rows.flags = c->flags;
	c->rows.modseqs = c->modseqs;
	c->rows.sizes = c->sizes;
	c->rows.internal_dates = c->dates;
	c->rows.envelopes = c->envelopes;
	c->rows.bodystructures = c->structures;
	c->rows.headers = c->headers;
	return c;
}

/* One frame at each turn, so that a paused call stays where it is. */
static void do_fetch(struct imap_host *h, struct imap_call *call)
{
	const Podstore__Fetch *rq = (const Podstore__Fetch *) call->request;
	struct columns *c = columns_new(h);

	for (; call->row < h->messages_n && c->rows.n_uids < ROWS_A_FRAME; call->row++) {
		const struct message *m = &h->messages[call->row];

		if (m->box == rq->mailbox && !m->gone && in_ranges(rq->uids, rq->n_uids, m->uid) &&
		    m->modseq > rq->changed_since)
			add_row(h, c, m, rq->columns);
	}
	answer(h, call, call->row == h->messages_n, 0, &c->rows.base, SPAN_NONE, -1);
}

static int make_file(struct span bytes)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert(fd >= 0);
	for (size_t done_n = 0; done_n < bytes.len;) {
		ssize_t n = write(fd, bytes.p + done_n, bytes.len - done_n);

		assert(n > 0);
		done_n += (size_t) n;
	}
	return fd;
}

static struct message *message_find(struct imap_host *h, uint32_t box, uint32_t uid)
{
	for (size_t i = 0; i < h->messages_n; i++)
		if (h->messages[i].box == box && h->messages[i].uid == uid && !h->messages[i].gone)
			return &h->messages[i];
	return NULL;
}

static void do_body(struct imap_host *h, struct imap_call *call)
{
	const Podstore__BodyOpen *rq = (const Podstore__BodyOpen *) call->request;
	Podstore__BodyOpenReply reply = PODSTORE__BODY_OPEN_REPLY__INIT;
	struct message *m = message_find(h, rq->mailbox, rq->uid);
	int fd = -1;

	if (!m) {
		answer_error(h, call, POD_E_NOTFOUND);
		return;
	}
	reply.size = m->bytes.len;
	reply.parts = copy(h, m->summary.parts);
	if (m->bytes.len > BLOB_MAX)
		fd = make_file(buf_span(&m->bytes));
	answer(h, call, true, 0, &reply.base, fd < 0 ? buf_span(&m->bytes) : SPAN_NONE, fd);
	if (fd >= 0)
		(void) close(fd);
}

static void do_changes(struct imap_host *h, struct imap_call *call)
{
	const Podstore__Changes *rq = (const Podstore__Changes *) call->request;
	Podstore__ChangesReply reply = PODSTORE__CHANGES_REPLY__INIT;
	struct columns *c = columns_new(h);
	struct box *b = &h->boxes[rq->mailbox - 1];
	uint32_t gone[MESSAGES_MAX];
	store_reply_fn *fn = call->reply;
	struct store_reply more = { .text = "", .message = &c->rows.base, .fd = -1 };

	for (size_t i = 0; i < h->messages_n; i++) {
		const struct message *m = &h->messages[i];

		if (m->box != rq->mailbox || m->modseq <= rq->since)
			continue;
		if (m->gone)
			gone[reply.n_vanished++] = m->uid;
		else
			add_row(h, c, m, rq->columns);
	}
	reply.vanished = one_each(h, gone, reply.n_vanished);
	reply.highestmodseq = b->modseq;
	reply.uidnext = b->uidnext;
	reply.keywords = describe(h, b)->keywords;
	reply.n_keywords = b->keywords_n;
	reply.mailbox_gone = !b->exists;
	if (c->rows.n_uids > 0)
		fn(call->arg, &more);
	answer_ok(h, call, &reply.base);
}

static int keyword_bit(struct box *b, const char *name, uint32_t *bits)
{
	size_t i = 0;

	while (i < b->keywords_n && strcasecmp(b->keywords[i], name) != 0)
		i++;
	if (i == 26)
		return -POD_E_LIMIT;
	if (i == b->keywords_n)
		(void) snprintf(b->keywords[b->keywords_n++], sizeof(b->keywords[0]), "%s", name);
	*bits |= 1u << (STORE_KEYWORD_SHIFT + i);
	return 0;
}

static void do_store(struct imap_host *h, struct imap_call *call)
{
	const Podstore__StoreFlags *rq = (const Podstore__StoreFlags *) call->request;
	Podstore__StoreFlagsReply reply = PODSTORE__STORE_FLAGS_REPLY__INIT;
	struct columns *c = columns_new(h);
	struct box *b = &h->boxes[rq->mailbox - 1];
	uint32_t bits = rq->flags, modified[MESSAGES_MAX];

	for (size_t i = 0; i < rq->n_keywords; i++)
		if (keyword_bit(b, rq->keywords[i], &bits) < 0) {
			answer_error(h, call, POD_E_LIMIT);
			return;
		}
	b->modseq = ++h->modseq;
	for (size_t i = 0; i < h->messages_n; i++) {
		struct message *m = &h->messages[i];

		if (m->box != rq->mailbox || m->gone || !in_ranges(rq->uids, rq->n_uids, m->uid))
			continue;
		if (rq->unchanged_since_set && m->modseq > rq->unchanged_since) {
			modified[reply.n_modified++] = m->uid;
			continue;
		}
		m->flags = rq->mode == PODSTORE__FLAG_MODE__FLAGS_SET   ? bits
		           : rq->mode == PODSTORE__FLAG_MODE__FLAGS_ADD ? m->flags | bits
		                                                        : m->flags & ~bits;
		m->modseq = h->modseq;
		add_row(h, c, m, STORE_COL_FLAGS | STORE_COL_MODSEQ);
	}
	reply.rows = &c->rows;
	reply.modified = one_each(h, modified, reply.n_modified);
	reply.highestmodseq = b->modseq;
	reply.keywords = describe(h, b)->keywords;
	reply.n_keywords = b->keywords_n;
	h->announce = true;
	answer_ok(h, call, &reply.base);
}

static void do_append(struct imap_host *h, struct imap_call *call)
{
	const Podstore__Append *rq = (const Podstore__Append *) call->request;
	Podstore__AppendReply reply = PODSTORE__APPEND_REPLY__INIT;
	struct box *b = box_find(h, rq->mailbox);
	uint32_t bits = rq->flags;
	uint8_t *bytes = arena_alloc(h->a, rq->size + 1);
	struct message *m;

	if (!b || !b->exists) {
		answer_error(h, call, POD_E_NOTFOUND);
		return;
	}
	for (size_t i = 0; i < rq->n_keywords; i++)
		(void) keyword_bit(b, rq->keywords[i], &bits);
	assert(bytes && rq->summary);
	if (call->fd >= 0)
		assert(pread(call->fd, bytes, rq->size, 0) == (ssize_t) rq->size);
	else if (rq->size > 0)
		memcpy(bytes, call->blob.p, rq->size);
	m = message_add(h, b, span_make(bytes, rq->size), bits, rq->internal_date);
	if (!m) {
		answer_error(h, call, POD_E_QUOTA);
		return;
	}
	reply.uid = m->uid;
	reply.uidvalidity = 1000 + m->box;
	h->announce = true;
	answer_ok(h, call, &reply.base);
}

static void do_copy(struct imap_host *h, struct imap_call *call)
{
	const Podstore__Copy *rq = (const Podstore__Copy *) call->request;
	Podstore__CopyReply reply = PODSTORE__COPY_REPLY__INIT;
	struct box *b = box_find(h, rq->target);
	uint32_t source[MESSAGES_MAX], target[MESSAGES_MAX];
	size_t n = h->messages_n;

	if (!b || !b->exists) {
		answer_error(h, call, POD_E_NOTFOUND);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct message *m = &h->messages[i], *made;

		if (m->box != rq->mailbox || m->gone || !in_ranges(rq->uids, rq->n_uids, m->uid))
			continue;
		made = message_add(h, b, buf_span(&m->bytes), m->flags, m->date);
		if (!made)
			break;
		source[reply.n_source++] = m->uid;
		target[reply.n_target++] = made->uid;
		if (rq->move) {
			m->gone = true;
			m->modseq = h->boxes[rq->mailbox - 1].modseq = ++h->modseq;
		}
	}
	reply.uidvalidity = 1000 + box_id(h, b);
	reply.source = one_each(h, source, reply.n_source);
	reply.target = one_each(h, target, reply.n_target);
	h->announce = true;
	answer_ok(h, call, &reply.base);
}

static void do_expunge(struct imap_host *h, struct imap_call *call)
{
	const Podstore__Expunge *rq = (const Podstore__Expunge *) call->request;
	Podstore__ExpungeReply reply = PODSTORE__EXPUNGE_REPLY__INIT;

	for (size_t i = 0; i < h->messages_n; i++) {
		struct message *m = &h->messages[i];

		if (m->box != rq->mailbox || m->gone || !(m->flags & STORE_FLAG_DELETED) ||
		    (rq->n_uids > 0 && !in_ranges(rq->uids, rq->n_uids, m->uid)))
			continue;
		m->gone = true;
		m->modseq = h->boxes[rq->mailbox - 1].modseq = ++h->modseq;
	}
	h->announce = true;
	answer_ok(h, call, &reply.base);
}

static void do_quota(struct imap_host *h, struct imap_call *call)
{
	Podstore__QuotaReply reply = PODSTORE__QUOTA_REPLY__INIT;

	reply.limit_bytes = 1 << 20;
	for (size_t i = 0; i < h->messages_n; i++)
		reply.used_bytes += h->messages[i].gone ? 0 : h->messages[i].bytes.len;
	answer_ok(h, call, &reply.base);
}

static void serve_call(struct imap_host *h, struct imap_call *call)
{
	static const struct {
		enum store_method method;
		void (*run)(struct imap_host *, struct imap_call *);
	} methods[] = {
		{ STORE_MAILBOX_LIST, do_list },     { STORE_MAILBOX_GET, do_get },
		{ STORE_MAILBOX_OPEN, do_open },     { STORE_MAILBOX_CREATE, do_create },
		{ STORE_MAILBOX_DELETE, do_delete }, { STORE_MAILBOX_RENAME, do_rename },
		{ STORE_MAILBOX_SUBSCRIBE, do_subscribe },
		{ STORE_FETCH, do_fetch },           { STORE_BODY_OPEN, do_body },
		{ STORE_CHANGES, do_changes },       { STORE_STORE_FLAGS, do_store },
		{ STORE_APPEND, do_append },         { STORE_COPY, do_copy },
		{ STORE_EXPUNGE, do_expunge },       { STORE_QUOTA_GET, do_quota },
	};

	arena_reset(h->a);
	if (h->fail[call->method]) {
		answer_error(h, call, h->fail[call->method]);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].method == call->method) {
			methods[i].run(h, call);
			return;
		}
	answer_error(h, call, POD_E_UNSUPPORTED);
}

/* ---- the host ---- */

static struct evbuffer *host_output(void *host)
{
	return ((struct imap_host *) host)->out;
}

static bool host_output_is_full(void *host)
{
	return ((struct imap_host *) host)->blocked;
}

static int host_write_file(void *host, int fd, uint64_t off, uint64_t len)
{
	struct imap_host *h = host;
	uint8_t *bytes = malloc(len + 1);
	ssize_t n = bytes ? pread(fd, bytes, len, (off_t) off) : -1;

	(void) close(fd);
	if (n > 0)
		(void) evbuffer_add(h->out, bytes, (size_t) n);
	free(bytes);
	return n == (ssize_t) len ? 0 : -POD_E_IO;
}

static void host_start_tls(void *host)
{
	((struct imap_host *) host)->start_tls = true;
}

static void host_close(void *host)
{
	((struct imap_host *) host)->closed = true;
}

static void host_auth_start(void *host, enum sasl_mechanism mechanism, struct span message)
{
	struct imap_host *h = host;

	h->auth_due = true;
	h->auth_steps = 0;
	if (mechanism == SASL_PLAIN)
		h->auth_code = span_find(message, SPAN_LIT("\0sesame")) < message.len ? 0 : -POD_E_AUTH;
	else
		h->auth_code = -POD_E_BUSY;
}

static void host_auth_step(void *host, struct span response)
{
	struct imap_host *h = host;

	h->auth_due = true;
	h->auth_code = span_eq(response, SPAN_LIT("sesame")) ? 0 : -POD_E_AUTH;
}

static void host_auth_cancel(void *host)
{
	((struct imap_host *) host)->auth_due = false;
}

static struct imap_call *host_call(void *host, enum store_method method, ProtobufCMessage *request, struct span blob,
                                   int fd, store_reply_fn *reply, void *arg)
{
	struct imap_host *h = host;
	struct imap_call *call = calloc(1, sizeof(*call));

	assert(call && method < METHODS);
	*call = (struct imap_call){ .method = method, .request = request, .blob = blob, .fd = fd, .reply = reply,
		                    .arg = arg, .watch = method == STORE_WATCH };
	h->requests[method]++;
	TAILQ_INSERT_TAIL(&h->calls, call, entry);
	return call;
}

static void host_call_cancel(void *host, struct imap_call *call)
{
	TAILQ_REMOVE(&((struct imap_host *) host)->calls, call, entry);
	free(call);
}

static void host_call_pause(void *host, struct imap_call *call)
{
	call->paused = true;
}

static const char *host_user_id(void *host)
{
	(void) host;
	return "joe";
}

static bool host_is_user(void *host, const char *address)
{
	(void) host;
	return strcmp(address, "joe") == 0;
}

static void host_call_resume(void *host, struct imap_call *call)
{
	call->paused = false;
}

static const struct imap_host_ops ops = {
	.output = host_output,
	.output_is_full = host_output_is_full,
	.write_file = host_write_file,
	.start_tls = host_start_tls,
	.close = host_close,
	.auth_start = host_auth_start,
	.auth_step = host_auth_step,
	.auth_cancel = host_auth_cancel,
	.user_id = host_user_id,
	.is_user = host_is_user,
	.call = host_call,
	.call_cancel = host_call_cancel,
	.call_pause = host_call_pause,
	.call_resume = host_call_resume,
};

static struct imap_call *next_call(struct imap_host *h)
{
	struct imap_call *call;

	TAILQ_FOREACH(call, &h->calls, entry)
		if (!call->paused && !call->watch)
			return call;
	return NULL;
}

static struct imap_call *watch_of(struct imap_host *h)
{
	struct imap_call *call;

	TAILQ_FOREACH(call, &h->calls, entry)
		if (call->watch)
			return call;
	return NULL;
}

static void announce(struct imap_host *h)
{
	struct imap_call *watch = watch_of(h);
	Podstore__WatchEvent event = PODSTORE__WATCH_EVENT__INIT;

	h->announce = false;
	if (!watch)
		return;
	event.mailbox = ((Podstore__Watch *) watch->request)->mailboxes[0];
	event.highestmodseq = h->boxes[event.mailbox - 1].modseq;
	answer(h, watch, false, 0, &event.base, SPAN_NONE, -1);
}

static void pass_auth(struct imap_host *h)
{
	bool challenge = h->auth_code == -POD_E_BUSY;

	h->auth_due = false;
	imap_session_on_auth(h->session, h->auth_code, challenge, challenge ? SPAN_LIT("Password:") : SPAN_NONE);
	if (!h->closed)
		imap_session_run(h->session, h->in);
}

/* Everything that can happen by itself. */
static void settle(struct imap_host *h)
{
	while (!h->closed) {
		struct imap_call *call = next_call(h);

		if (h->auth_due) {
			pass_auth(h);
		} else if (h->start_tls) {
			h->start_tls = false;
			(void) evbuffer_drain(h->in, evbuffer_get_length(h->in));
			imap_session_on_tls(h->session);
		} else if (call) {
			serve_call(h, call);
		} else if (h->announce) {
			announce(h);
		} else {
			return;
		}
	}
}

const char *imap_host_say(struct imap_host *h, struct span bytes)
{
	size_t n;

	settle(h);
	if (!h->closed) {
		(void) evbuffer_add(h->in, bytes.p, bytes.len);
		imap_session_run(h->session, h->in);
		settle(h);
	}
	buf_clear(&h->said);
	n = evbuffer_get_length(h->out);
	buf_add(&h->said, span_make(evbuffer_pullup(h->out, -1), n));
	(void) evbuffer_drain(h->out, n);
	return buf_str(&h->said);
}

/* ---- what tests do ---- */

void imap_host_deliver(struct imap_host *h, const char *message)
{
	(void) message_add(h, &h->boxes[0], span_of(message), 0, 760665600);
	h->announce = true;
}

void imap_host_expunge(struct imap_host *h, uint32_t uid)
{
	struct message *m = message_find(h, 1, uid);

	assert(m);
	m->gone = true;
	m->modseq = h->boxes[0].modseq = ++h->modseq;
	h->announce = true;
}

void imap_host_set_flags(struct imap_host *h, uint32_t uid, uint32_t flags)
{
	struct message *m = message_find(h, 1, uid);

	assert(m);
	m->flags = flags;
	m->modseq = h->boxes[0].modseq = ++h->modseq;
	h->announce = true;
}

void imap_host_fail(struct imap_host *h, enum store_method method, int code)
{
	h->fail[method] = code;
}

void imap_host_block(struct imap_host *h, bool blocked)
{
	h->blocked = blocked;
	if (!blocked && !h->closed) {
		imap_session_on_writable(h->session);
		imap_session_run(h->session, h->in);
	}
}

bool imap_host_is_closed(const struct imap_host *h)
{
	return h->closed;
}

unsigned int imap_host_requests(const struct imap_host *h, enum store_method method)
{
	return h->requests[method];
}

size_t imap_host_paused(const struct imap_host *h)
{
	const struct imap_call *call;
	size_t n = 0;

	TAILQ_FOREACH(call, &h->calls, entry)
		n += call->paused;
	return n;
}

static const char first_message[] =
	"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@Blurdybloop.COM>\r\n"
	"Subject: afternoon meeting\r\nTo: mooch@owatagu.siam.edu\r\n"
	"Message-Id: <B27397-0100000@Blurdybloop.COM>\r\nX-Odd: here\r\n\r\n"
	"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n";

static const char second_message[] =
	"Subject: parts\r\nFrom: a@example.test\r\nMIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n"
	"Content-Type: text/html\r\n\r\n<p>two</p>\r\n--b--\r\n";

static void fill(struct imap_host *h)
{
	char big[4000];

	(void) box_add(h, "INBOX", "", true);
	(void) box_add(h, "Entw\xc3\xbcrfe", "\\Drafts", true);
	(void) box_add(h, "Sent", "\\Sent", true);
	(void) box_add(h, "a", "", false);
	(void) box_add(h, "a/b", "", true);
	h->boxes[2].subscribed = h->boxes[4].subscribed = true;
	(void) message_add(h, &h->boxes[0], span_of(first_message), STORE_FLAG_SEEN, 760665600);
	(void) message_add(h, &h->boxes[0], span_of(second_message), 0, 760752000);
	(void) snprintf(big, sizeof(big), "Subject: big\r\n\r\n%03900d\r\n", 7);
	(void) message_add(h, &h->boxes[0], span_of(big), STORE_FLAG_FLAGGED, 760838400);
}

struct imap_host *imap_host_create(unsigned int flags)
{
	struct imap_host *h = calloc(1, sizeof(*h));
	struct imap_options o = { .ops = &ops, .host = h, .tls = flags & IMAP_HOST_TLS, .can_start_tls = true,
		                  .cleartext_auth = flags & (IMAP_HOST_TLS | IMAP_HOST_CLEARTEXT | IMAP_HOST_LOGGED_IN) };

	assert(h);
	TAILQ_INIT(&h->calls);
	h->settings = (struct imap_settings){ .max_literal = 100000, .max_line = 8192, .temp_dir = "/tmp", .version = "test" };
	o.settings = &h->settings;
	h->in = evbuffer_new();
	h->out = evbuffer_new();
	h->a = arena_create(64u << 20);
	assert(h->in && h->out && h->a);
	fill(h);
	h->session = imap_session_create(&o);
	assert(h->session);
	if (flags & IMAP_HOST_LOGGED_IN)
		(void) imap_host_say(h, SPAN_LIT("x LOGIN joe sesame\r\n"));
	return h;
}

struct imap_host *imap_host_free(struct imap_host *h)
{
	struct imap_call *call;

	if (!h)
		return NULL;
	h->session = imap_session_free(h->session);
	while ((call = TAILQ_FIRST(&h->calls)))
		host_call_cancel(h, call);
	for (size_t i = 0; i < h->messages_n; i++) {
		buf_done(&h->messages[i].bytes);
		(void) arena_free(h->messages[i].a);
	}
	evbuffer_free(h->in);
	evbuffer_free(h->out);
	(void) arena_free(h->a);
	buf_done(&h->said);
	free(h);
	return NULL;
}
