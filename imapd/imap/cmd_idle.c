#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/*
 * RFC 2177. Between "+ idling" and DONE the session is idle in every sense: it holds no buffers, and changes
 * are told as soon as the store announces them.
 */
static void on_done_line(struct imap_session *s, struct span line);

static void await_done(struct imap_session *s)
{
	s->on_line = on_done_line;
	s->mode = IMAP_TAKES_LINE;
}

/* Changes have been told. More may have come meanwhile; and a reply has waited for this. */
static void on_told(struct imap_session *s)
{
	if (s->mode == IMAP_BUSY) {
		imap_reply_finish(s);
		return;
	}
	arena_reset(s->a);
	/* Where they could not be had (stale), the next announcement or the store's return tries again. */
	if (!s->selected->stale && s->selected->announced > s->selected->modseq)
		imap_idle_on_changed(s);
}

static bool is_idling(const struct imap_session *s)
{
	return s->on_line == on_done_line && s->mode == IMAP_TAKES_LINE;
}

void imap_idle_on_changed(struct imap_session *s)
{
	if (is_idling(s) && !s->selected->syncing && imap_sync_needed(s))
		imap_sync(s, on_told);
}

static void on_done_line(struct imap_session *s, struct span line)
{
	if (span_eq_nocase(line, SPAN_LIT("DONE")))
		imap_reply_ok(s, "IDLE done");
	else
		imap_reply_bad(s, "Expected DONE");
}

void imap_cmd_idle(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_input_reset(&s->input, false);
	imap_continue(s, "idling");
	await_done(s);
	if (s->selected) {
		s->selected->stale = true;
		imap_idle_on_changed(s);
	}
}
