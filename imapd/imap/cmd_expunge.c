#include "imapd/imap/commands.h"
#include "imapd/imap/seqset.h"
#include "imapd/imap/session.h"

static void on_expunged(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	s->selected->stale = true; /* the look at the changes, before the reply, tells EXPUNGE */
	imap_reply_ok(s, "EXPUNGE done");
}

static void on_closed(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	imap_unselect(s);
	imap_reply_ok(s, "CLOSE done");
}

/* uids NULL: all \Deleted messages. */
static void expunge(struct imap_session *s, const struct imap_ranges *uids, store_reply_fn *then)
{
	Podstore__Expunge *request = arena_new(s->a, Podstore__Expunge);

	if (!request) {
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	podstore__expunge__init(request);
	request->mailbox = s->selected->mailbox;
	if (uids) {
		request->uids = imap_uid_ranges(s->a, uids);
		request->n_uids = request->uids ? uids->n : 0;
		if (!request->uids) {
			imap_reply_error(s, -POD_E_NOMEM);
			return;
		}
	}
	(void) imap_ask(s, STORE_EXPUNGE, &request->base, then);
}

/*
 * Not everything \Deleted that there is, only what this session knows of: a message that arrived since may
 * not vanish without having been told (RFC 3501 6.4.3 removes "from the currently selected mailbox").
 */
void imap_cmd_expunge(struct imap_session *s, struct imap_parser *p)
{
	struct imap_range everything[] = { { 1, IMAP_SEQ_STAR } };
	struct imap_seqset set = { everything, 1 };
	struct imap_ranges uids;
	int r = 0;

	if (s->uid) { /* RFC 4315: UID EXPUNGE sequence-set */
		r = imap_parse_space(p);
		if (r == 0)
			r = imap_seqset_parse(p, &set);
	}
	if (r == 0)
		r = imap_parse_end(p);
	if (r == 0)
		r = imap_seqset_uids(s->a, &set, &s->selected->view, true, &uids);
	if (r < 0)
		imap_reply_parse(s, p, r);
	else if (s->selected->read_only)
		imap_reply_no(s, "[READ-ONLY] Mailbox was opened with EXAMINE");
	else if (uids.n == 0)
		imap_reply_ok(s, "EXPUNGE done");
	else
		expunge(s, &uids, on_expunged);
}

/* RFC 3501 6.4.2: no EXPUNGE is told. */
void imap_cmd_close(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
	} else if (s->selected->read_only) {
		imap_unselect(s);
		imap_reply_ok(s, "CLOSE done");
	} else {
		expunge(s, NULL, on_closed);
	}
}
