#include "imapd/imap/status_items.h"

#include "base/cleanup.h"

static const struct {
	const char *name;
	uint32_t bit;
} status_items[] = {
	{ "MESSAGES", IMAP_STATUS_MESSAGES }, { "RECENT", IMAP_STATUS_RECENT },
	{ "UIDNEXT", IMAP_STATUS_UIDNEXT },   { "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY },
	{ "UNSEEN", IMAP_STATUS_UNSEEN },     { "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ },
};

int imap_status_items_parse(struct imap_parser *p, uint32_t *ret_items)
{
	uint32_t items = 0;
	int r = imap_parse_byte(p, '(');

	if (r < 0)
		return r;
	do {
		size_t i = 0;

		while (i < ARRAY_SIZE(status_items) && !imap_take_word(p, status_items[i].name))
			i++;
		if (i == ARRAY_SIZE(status_items))
			return imap_parse_fail(p, "Unknown STATUS item");
		items |= status_items[i].bit;
	} while (imap_take_byte(p, ' '));
	r = imap_parse_byte(p, ')');
	if (r == 0)
		*ret_items = items;
	return r;
}

static uint64_t value_of(const Podstore__Mailbox *box, uint32_t item)
{
	switch (item) {
	case IMAP_STATUS_MESSAGES: return box->messages;
	case IMAP_STATUS_RECENT: return box->recent;
	case IMAP_STATUS_UIDNEXT: return box->uidnext;
	case IMAP_STATUS_UIDVALIDITY: return box->uidvalidity;
	case IMAP_STATUS_UNSEEN: return box->unseen;
	default: return box->highestmodseq;
	}
}

void imap_out_status(struct imap_out *o, const Podstore__Mailbox *box, uint32_t items)
{
	bool first = true;

	imap_out_lit(o, "* STATUS ");
	imap_out_mailbox(o, box->name);
	imap_out_lit(o, " (");
	for (size_t i = 0; i < ARRAY_SIZE(status_items); i++) {
		if (!(items & status_items[i].bit))
			continue;
		if (!first)
			imap_out_byte(o, ' ');
		first = false;
		imap_out_str(o, status_items[i].name);
		imap_out_byte(o, ' ');
		imap_out_number(o, value_of(box, status_items[i].bit));
	}
	imap_out_lit(o, ")\r\n");
}
