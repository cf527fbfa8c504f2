#include "store/service/service_internal.h"

char *unconst(const char *s)
{
	return (char *) (uintptr_t) (s ? s : "");
}

char **convert_keywords_out(struct arena *a, const struct volume_mailbox *m)
{
	char **names = arena_array(a, m->keywords_n ? m->keywords_n : 1, sizeof(*names));

	for (size_t i = 0; names && i < m->keywords_n; i++)
		names[i] = unconst(m->keywords[i]);
	return names;
}

Podstore__Mailbox *convert_mailbox(struct arena *a, const struct volume_mailbox *m)
{
	Podstore__Mailbox *p = arena_new(a, Podstore__Mailbox);
	char *guid = arena_alloc(a, ID_TEXT_SIZE);

	if (!p || !guid)
		return NULL;
	podstore__mailbox__init(p);
	guid_format(&m->guid, guid);
	p->id = m->id;
	p->name = unconst(m->name);
	p->special_use = unconst(m->special_use);
	p->subscribed = m->subscribed;
	p->exists = m->exists;
	p->has_children = m->has_children;
	p->uidvalidity = m->uidvalidity;
	p->uidnext = m->uidnext;
	p->highestmodseq = m->highestmodseq;
	p->messages = m->messages;
	p->unseen = m->unseen;
	/* Recent to the next who selects it; uids go up by one with each message, deleted ones aside. */
	p->recent = m->recent_from && m->uidnext > m->recent_from ? m->uidnext - m->recent_from : 0;
	if (p->recent > m->messages)
		p->recent = m->messages;
	p->size_bytes = m->bytes;
	p->guid = guid;
	p->n_keywords = m->keywords_n;
	p->keywords = convert_keywords_out(a, m);
	return p->keywords ? p : NULL;
}

bool convert_ranges_out(struct arena *a, const struct uid_ranges *r, Podstore__UidRange ***ret, size_t *ret_n)
{
	Podstore__UidRange **list = arena_array(a, r->n ? r->n : 1, sizeof(*list));
	Podstore__UidRange *items = arena_array(a, r->n ? r->n : 1, sizeof(*items));

	if (!list || !items)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		podstore__uid_range__init(&items[i]);
		items[i].first = r->r[i].first;
		items[i].last = r->r[i].last;
		list[i] = &items[i];
	}
	*ret = list;
	*ret_n = r->n;
	return true;
}

int convert_ranges_in(struct arena *a, Podstore__UidRange **r, size_t n, struct uid_ranges *ret)
{
	struct uid_range *items = arena_array(a, n ? n : 1, sizeof(*items));

	if (!items)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (r[i]->first == 0 || r[i]->first > r[i]->last || (i > 0 && r[i]->first <= r[i - 1]->last))
			return -POD_E_PROTOCOL;
		items[i] = (struct uid_range){ r[i]->first, r[i]->last };
	}
	*ret = (struct uid_ranges){ items, n };
	return 0;
}

bool convert_keywords_in(struct arena *a, char **names, size_t n, const struct span **ret)
{
	struct span *items = arena_array(a, n ? n : 1, sizeof(*items));

	for (size_t i = 0; items && i < n; i++)
		items[i] = span_of(names[i]);
	*ret = items;
	return items != NULL;
}

static struct span bytes_in(ProtobufCBinaryData b)
{
	return span_make(b.data, b.len);
}

void convert_summary(const Podstore__Summary *s, struct volume_summary *ret)
{
	*ret = (struct volume_summary){ 0 };
	if (!s)
		return;
	ret->envelope = bytes_in(s->envelope);
	ret->bodystructure = bytes_in(s->bodystructure);
	ret->parts = bytes_in(s->parts);
	ret->headers = bytes_in(s->headers);
}

Podstore__User *convert_user(struct arena *a, const struct volume_user *u)
{
	Podstore__User *p = arena_new(a, Podstore__User);

	if (!p)
		return NULL;
	podstore__user__init(p);
	p->user_id = unconst(u->user_id);
	p->address = unconst(u->address);
	p->display_name = unconst(u->display_name);
	p->quota_bytes = u->quota_bytes;
	p->used_bytes = u->used_bytes;
	p->messages = u->messages;
	p->mailboxes = u->mailboxes;
	p->created = u->created;
	p->last_login = u->last_login;
	return p;
}

int convert_guid(ProtobufCBinaryData bytes, struct guid *ret)
{
	if (bytes.len != 0 && bytes.len != ID_SIZE)
		return -POD_E_PROTOCOL;
	if (bytes.len)
		memcpy(ret->b, bytes.data, ID_SIZE);
	return 0;
}
