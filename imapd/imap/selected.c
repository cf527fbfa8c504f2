#include "imapd/imap/selected.h"

#include <stdlib.h>

static void free_keywords(char **keywords, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(keywords[i]);
	free(keywords);
}

struct imap_selected *imap_selected_free(struct imap_selected *m)
{
	if (m) {
		free(m->name);
		free(m->own);
		free_keywords(m->keywords, m->keywords_n);
		imap_view_done(&m->view);
		free(m);
	}
	return NULL;
}

int imap_selected_set_keywords(struct imap_selected *m, char *const *keywords, size_t n)
{
	char **copy;

	if (n > STORE_KEYWORDS_MAX)
		n = STORE_KEYWORDS_MAX;
	copy = calloc(n ? n : 1, sizeof(*copy));
	if (!copy)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(keywords[i]);
		if (!copy[i]) {
			free_keywords(copy, n);
			return -POD_E_NOMEM;
		}
	}
	free_keywords(m->keywords, m->keywords_n);
	m->keywords = copy;
	m->keywords_n = n;
	return 0;
}

static int fill(struct imap_selected *m, const Podstore__MailboxOpenReply *reply)
{
	const Podstore__Mailbox *box = reply->mailbox;
	int r = 0;

	m->name = strdup(box->name);
	if (!m->name)
		return -POD_E_NOMEM;
	m->mailbox = box->id;
	podstore__watch__init(&m->watch_request);
	m->watch_request.mailboxes = &m->mailbox;
	m->watch_request.n_mailboxes = 1;
	m->uidvalidity = box->uidvalidity;
	m->uidnext = box->uidnext;
	m->modseq = m->announced = box->highestmodseq;
	/* What arrives from now on is new to this session too. */
	m->recent_from = reply->first_recent_uid ? reply->first_recent_uid : box->uidnext;
	for (size_t i = 0; r == 0 && i < reply->n_uids; i++)
		r = imap_view_append(&m->view, reply->uids[i]->first, reply->uids[i]->last);
	if (r == 0)
		r = imap_selected_set_keywords(m, box->keywords, box->n_keywords);
	return r;
}

struct imap_selected *imap_selected_create(const Podstore__MailboxOpenReply *reply, bool read_only)
{
	struct imap_selected *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->read_only = read_only;
	/* The watch starts after the snapshot: what was committed between the two is announced by nobody. */
	m->stale = true;
	return fill(m, reply) == 0 ? m : imap_selected_free(m);
}

void imap_selected_touch(struct imap_selected *m, const char *name)
{
	if (m && strcmp(m->name, name) == 0)
		m->stale = true;
}

uint32_t imap_selected_recent(const struct imap_selected *m)
{
	return m->view.exists + 1 - imap_view_seq_from(&m->view, m->recent_from);
}

void imap_selected_own_add(struct imap_selected *m, uint32_t uid, uint32_t flags, uint64_t modseq)
{
	struct imap_own_change *last = m->own_n > 0 ? &m->own[m->own_n - 1] : NULL;

	if (last && last->last + 1 == uid && last->flags == flags && last->modseq == modseq) {
		last->last = uid;
		return;
	}
	if (!m->own)
		m->own = calloc(IMAP_OWN_MAX, sizeof(*m->own));
	if (!m->own || m->own_n == IMAP_OWN_MAX)
		return;
	m->own[m->own_n++] = (struct imap_own_change){ uid, uid, flags, modseq };
}

bool imap_selected_own_has(const struct imap_selected *m, uint32_t uid, uint32_t flags, uint64_t modseq)
{
	for (size_t i = 0; i < m->own_n; i++)
		if (uid >= m->own[i].first && uid <= m->own[i].last && m->own[i].modseq == modseq &&
		    m->own[i].flags == flags)
			return true;
	return false;
}

static const char *const system_flags[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };

void imap_out_flags(struct imap_out *o, const struct imap_selected *m, uint32_t flags, bool recent)
{
	bool first = true;

	imap_out_byte(o, '(');
	for (uint32_t left = flags; left; left &= left - 1) {
		unsigned int bit = (unsigned int) __builtin_ctz(left);
		const char *name = bit < STORE_KEYWORD_SHIFT ? system_flags[bit]
		                   : bit - STORE_KEYWORD_SHIFT < m->keywords_n
		                           ? m->keywords[bit - STORE_KEYWORD_SHIFT]
		                           : NULL;

		if (!name)
			continue;
		if (!first)
			imap_out_byte(o, ' ');
		first = false;
		imap_out_str(o, name);
	}
	if (recent)
		imap_out_str(o, first ? "\\Recent" : " \\Recent");
	imap_out_byte(o, ')');
}

void imap_out_flag_names(struct imap_out *o, const struct imap_selected *m)
{
	uint32_t all = STORE_FLAGS_SYSTEM | (uint32_t) (((1ull << m->keywords_n) - 1) << STORE_KEYWORD_SHIFT);

	imap_out_lit(o, "* FLAGS ");
	imap_out_flags(o, m, all, false);
	imap_out_lit(o, "\r\n* OK [PERMANENTFLAGS ");
	if (m->read_only) {
		imap_out_lit(o, "()");
	} else {
		imap_out_flags(o, m, all, false);
		if (m->keywords_n < STORE_KEYWORDS_MAX) {
			/* over the closing parenthesis: new keywords may be made */
			o->n--;
			imap_out_lit(o, " \\*)");
		}
	}
	imap_out_lit(o, "] Flags that are kept\r\n");
}
