/* COPY (RFC 3501 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315). */
#include "base/id.h"
#include "imapd/imap/commands.h"
#include "imapd/imap/seqset.h"
#include "imapd/imap/session.h"

static void add_uids(struct buf *text, Podstore__UidRange *const *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(text, "%s%u", i ? "," : "", ranges[i]->first);
		if (ranges[i]->last != ranges[i]->first)
			buf_printf(text, ":%u", ranges[i]->last);
	}
}

/* "OK [COPYUID validity sources targets] text", as long as it may be. */
static void tell_copied(struct imap_session *s, const Podstore__CopyReply *copied, bool move)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_printf(&text, "[COPYUID %u ", copied->uidvalidity);
	add_uids(&text, copied->source, copied->n_source);
	buf_add_byte(&text, ' ');
	add_uids(&text, copied->target, copied->n_target);
	buf_add_str(&text, "] ");
	if (text.failed || copied->n_source == 0)
		buf_clear(&text);
	if (move) { /* before the EXPUNGE responses (RFC 6851 4.3) */
		if (text.len > 0)
			imap_untagged(s, "OK %sMoved", buf_str(&text));
		s->selected->stale = true;
		imap_reply_ok(s, "MOVE done");
	} else {
		imap_reply_ok_code(s, buf_str(&text), "COPY done");
	}
}

static void on_copied(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const Podstore__Copy *request = s->data;

	if (reply->code == -POD_E_NOTFOUND) {
		imap_reply_no(s, "[TRYCREATE] No such mailbox");
	} else if (reply->code < 0) {
		imap_reply_store(s, reply);
	} else {
		imap_selected_touch(s->selected, request->target);
		tell_copied(s, (const Podstore__CopyReply *) reply->message, request->move);
	}
}

static int parse_copy(struct imap_session *s, struct imap_parser *p, Podstore__Copy *request)
{
	struct imap_seqset set;
	struct imap_ranges uids;
	struct span name;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_seqset_parse(p, &set);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_mailbox(p, &name);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0)
		return r;
	if (imap_seqset_uids(s->a, &set, &s->selected->view, s->uid, &uids) < 0)
		return imap_parse_fail(p, "Message sequence number is out of range");
	request->target = imap_str(s, name);
	request->n_uids = uids.n;
	request->uids = imap_uid_ranges(s->a, &uids);
	return request->uids ? 0 : -POD_E_NOMEM;
}

static void copy(struct imap_session *s, struct imap_parser *p, bool move)
{
	Podstore__Copy *request = arena_new(s->a, Podstore__Copy);
	struct guid *id = arena_new(s->a, struct guid);
	int r = -POD_E_NOMEM;

	if (request && id) {
		podstore__copy__init(request);
		r = parse_copy(s, p, request);
	}
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	*id = guid_new();
	request->copy_id.data = id->b;
	request->copy_id.len = ID_SIZE;
	request->mailbox = s->selected->mailbox;
	request->move = move;
	s->data = request;
	if (move && s->selected->read_only)
		imap_reply_no(s, "[READ-ONLY] Mailbox was opened with EXAMINE");
	else if (request->n_uids == 0)
		imap_reply_ok(s, "%s done", s->command->name);
	else
		(void) imap_ask(s, STORE_COPY, &request->base, on_copied);
}

void imap_cmd_copy(struct imap_session *s, struct imap_parser *p)
{
	copy(s, p, false);
}

void imap_cmd_move(struct imap_session *s, struct imap_parser *p)
{
	copy(s, p, true);
}
