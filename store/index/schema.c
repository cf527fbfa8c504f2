#include "store/index/schema.h"

#include "base/buf.h"

_Static_assert(sizeof(struct record) == 56, "records are compact");
_Static_assert(sizeof(struct mailbox_counts) == 56, "counts are compact");

/* Whoever only reads an index of before, a restore's source, does without. */
static int add_states(struct kv *kv, kv_table *ret_table, struct err *err)
{
	int r = kv_table_open(kv, "states", KV_TABLE_CREATE, ret_table, err);

	return r == -POD_E_DENIED ? 0 : r;
}

int schema_open(struct kv *kv, bool create, struct tables *ret_tables, struct err *err)
{
	struct tables t = { 0 };
	const struct {
		const char *name;
		kv_table *table;
	} all[SCHEMA_TABLES] = {
		{ "meta", &t.meta },           { "users", &t.users },           { "usage", &t.usage },
		{ "mailboxes", &t.mailboxes }, { "names", &t.names },           { "subscribed", &t.subscribed },
		{ "mail", &t.mail },           { "pending", &t.pending },       { "deliveries", &t.deliveries },
		{ "intents", &t.intents },     { "states", &t.states },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int r = kv_table_open(kv, all[i].name, create ? KV_TABLE_CREATE : 0, all[i].table, err);

		if (r == -POD_E_NOTFOUND && all[i].table == &t.states)
			r = add_states(kv, all[i].table, err);

		if (r < 0)
			return err_wrap(err, r == -POD_E_NOTFOUND ? -POD_E_CORRUPT : r, "index table %s", all[i].name);
	}
	*ret_tables = t;
	return 0;
}

void schema_list(const struct tables *t, kv_table ret_list[SCHEMA_TABLES])
{
	const kv_table all[SCHEMA_TABLES] = { t->meta, t->users,   t->usage,      t->mailboxes, t->names, t->subscribed,
		                              t->mail, t->pending, t->deliveries, t->intents,   t->states };

	memcpy(ret_list, all, sizeof(all));
}

/* ---- keys ---- */

void key_mailbox(struct key *k, uint32_t mailbox)
{
	k->len = 0;
	key_u32(k, mailbox);
}

void key_user_name(struct key *k, uint32_t user, struct span name)
{
	k->len = 0;
	key_u32(k, user);
	(void) key_bytes(k, span_head(name, KV_KEY_MAX - 4)); /* canonical names are shorter */
}

void key_mail(struct key *k, uint32_t mailbox, enum mail_kind kind)
{
	k->len = 0;
	key_u32(k, mailbox);
	k->b[k->len++] = (uint8_t) kind;
}

void key_mail_uid(struct key *k, uint32_t mailbox, enum mail_kind kind, uint32_t uid)
{
	key_mail(k, mailbox, kind);
	key_u32(k, uid);
}

void key_mail_modseq(struct key *k, uint32_t mailbox, enum mail_kind kind, uint64_t modseq, uint32_t uid)
{
	key_mail(k, mailbox, kind);
	key_u64(k, modseq);
	key_u32(k, uid);
}

void key_pending(struct key *k, uint32_t mailbox, uint32_t uid)
{
	k->len = 0;
	key_u32(k, mailbox);
	key_u32(k, uid);
}

void key_delivery(struct key *k, const struct guid *id, uint32_t user)
{
	k->len = 0;
	(void) key_bytes(k, span_make(id->b, ID_SIZE));
	key_u32(k, user);
}

void key_state(struct key *k, uint32_t user, struct span name)
{
	key_user_name(k, user, name);
}

struct span state_key_name(struct span key)
{
	return span_skip(key, 4);
}

bool mail_key_is(struct span key, uint32_t mailbox, enum mail_kind kind)
{
	return key.len >= 5 && key_get_u32(key, 0) == mailbox && key.p[4] == (uint8_t) kind;
}

uint32_t mail_key_uid(struct span key)
{
	return key_get_u32(key, 5);
}

uint64_t mail_key_modseq(struct span key)
{
	return key_get_u64(key, 5);
}

uint32_t mail_key_modseq_uid(struct span key)
{
	return key_get_u32(key, 13);
}

/* ---- fixed values ---- */

static int fixed_decode(struct span v, void *to, size_t size, const char *what, struct err *err)
{
	if (v.len != size)
		return err_set(err, POD_E_CORRUPT, "index: a row of %s has %zu bytes, not %zu", what, v.len, size);
	memcpy(to, v.p, size);
	return 0;
}

static int fixed_get(struct kv_txn *txn, kv_table t, const struct key *k, void *to, size_t size, const char *what,
                     struct err *err)
{
	struct span v;
	int r = kv_get(txn, t, key_span(k), &v, err);

	return r < 0 ? r : fixed_decode(v, to, size, what, err);
}

int counters_get(struct kv_txn *txn, const struct tables *t, struct counters *ret, struct err *err)
{
	struct counters c;
	struct span v;
	int r = kv_get(txn, t->meta, SPAN_LIT("counters"), &v, err);

	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_CORRUPT, "index: no counters");
	if (r == 0 && v.len >= sizeof(c.version))
		memcpy(&c.version, v.p, sizeof(c.version));
	if (r == 0 && v.len >= sizeof(c.version) && c.version != SCHEMA_VERSION)
		return err_set(err, POD_E_VERSION, "index: version %u, not %d: rebuild it", c.version, SCHEMA_VERSION);
	if (r == 0)
		r = fixed_decode(v, &c, sizeof(c), "counters", err);
	if (r == 0)
		*ret = c;
	return r;
}

int counters_put(struct kv_txn *txn, const struct tables *t, const struct counters *c, struct err *err)
{
	return kv_put(txn, t->meta, SPAN_LIT("counters"), span_make(c, sizeof(*c)), err);
}

int ahead_segment_get(struct kv_txn *txn, const struct tables *t, uint64_t *ret, struct err *err)
{
	struct span v;
	int r = kv_get(txn, t->meta, SPAN_LIT("ahead"), &v, err);

	*ret = 0;
	return r == -POD_E_NOTFOUND ? 0 : r < 0 ? r : fixed_decode(v, ret, sizeof(*ret), "meta", err);
}

int ahead_segment_put(struct kv_txn *txn, const struct tables *t, uint64_t segment, struct err *err)
{
	return kv_put(txn, t->meta, SPAN_LIT("ahead"), span_make(&segment, sizeof(segment)), err);
}

static void key_login(struct key *k, struct span user_id)
{
	k->len = 0;
	(void) key_bytes(k, SPAN_LIT("login/"));
	(void) key_bytes(k, user_id);
}

int login_get(struct kv_txn *txn, const struct tables *t, struct span user_id, int64_t *ret_at, struct err *err)
{
	struct key k;
	int r;

	*ret_at = 0;
	key_login(&k, user_id);
	r = fixed_get(txn, t->meta, &k, ret_at, sizeof(*ret_at), "meta", err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int login_put(struct kv_txn *txn, const struct tables *t, struct span user_id, int64_t at, struct err *err)
{
	struct key k;

	key_login(&k, user_id);
	return kv_put(txn, t->meta, key_span(&k), span_make(&at, sizeof(at)), err);
}

int login_delete(struct kv_txn *txn, const struct tables *t, struct span user_id, struct err *err)
{
	struct key k;
	int r;

	key_login(&k, user_id);
	r = kv_delete(txn, t->meta, key_span(&k), err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int usage_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct usage *ret, struct err *err)
{
	struct key k;

	key_mailbox(&k, user);
	return fixed_get(txn, t->usage, &k, ret, sizeof(*ret), "usage", err);
}

int usage_put(struct kv_txn *txn, const struct tables *t, uint32_t user, const struct usage *u, struct err *err)
{
	struct key k;

	key_mailbox(&k, user);
	return kv_put(txn, t->usage, key_span(&k), span_make(u, sizeof(*u)), err);
}

int counts_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, struct mailbox_counts *ret, struct err *err)
{
	struct key k;

	key_mail(&k, mailbox, MAIL_COUNTS);
	return fixed_get(txn, t->mail, &k, ret, sizeof(*ret), "counts", err);
}

int counts_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, const struct mailbox_counts *c,
               struct err *err)
{
	struct key k;

	key_mail(&k, mailbox, MAIL_COUNTS);
	return kv_put(txn, t->mail, key_span(&k), span_make(c, sizeof(*c)), err);
}

int message_record_decode(struct span value, struct record *ret, struct err *err)
{
	return fixed_decode(value, ret, sizeof(*ret), "records", err);
}

int record_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, struct record *ret,
               struct err *err)
{
	struct key k;

	key_mail_uid(&k, mailbox, MAIL_RECORD, uid);
	return fixed_get(txn, t->mail, &k, ret, sizeof(*ret), "records", err);
}

int record_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct record *r,
               struct err *err)
{
	struct key k;

	key_mail_uid(&k, mailbox, MAIL_RECORD, uid);
	return kv_put(txn, t->mail, key_span(&k), span_make(r, sizeof(*r)), err);
}

/* PENDING_PLACE rows are by far the most, and need the head only. */
#define PENDING_HEAD offsetof(struct pending, internal_date)

int pending_decode(struct span v, struct pending *ret, struct err *err)
{
	struct pending p = { 0 };

	if (v.len != PENDING_HEAD && v.len != sizeof(p))
		return err_set(err, POD_E_CORRUPT, "index: a row of pending has %zu bytes", v.len);
	memcpy(&p, v.p, v.len);
	if (p.op != (v.len == sizeof(p) ? PENDING_UNLINK : PENDING_PLACE))
		return err_set(err, POD_E_CORRUPT, "index: a row of pending says %u", p.op);
	*ret = p;
	return 0;
}

int pending_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, struct pending *ret,
                struct err *err)
{
	struct key k;
	struct span v;
	int r;

	key_pending(&k, mailbox, uid);
	r = kv_get(txn, t->pending, key_span(&k), &v, err);
	return r < 0 ? r : pending_decode(v, ret, err);
}

int pending_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct pending *p,
                struct err *err)
{
	struct key k;

	key_pending(&k, mailbox, uid);
	return kv_put(txn, t->pending, key_span(&k), span_make(p, p->op == PENDING_UNLINK ? sizeof(*p) : PENDING_HEAD), err);
}

int detail_decode(struct span v, struct detail *ret, struct err *err)
{
	uint32_t len[2];

	if (v.len < sizeof(len))
		return err_set(err, POD_E_CORRUPT, "index: a row of details has %zu bytes", v.len);
	memcpy(len, v.p, sizeof(len));
	v = span_skip(v, sizeof(len));
	if ((uint64_t) len[0] + len[1] > v.len)
		return err_set(err, POD_E_CORRUPT, "index: a row of details is cut short");
	*ret = (struct detail){ span_head(v, len[0]), span_head(span_skip(v, len[0]), len[1]),
		                span_skip(v, (size_t) len[0] + len[1]) };
	return 0;
}

int detail_put(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint32_t uid, const struct detail *d,
               struct err *err)
{
	const struct span pieces[] = { d->bodystructure, d->parts, d->headers };
	const uint32_t len[2] = { (uint32_t) d->bodystructure.len, (uint32_t) d->parts.len };
	size_t size = sizeof(len);
	struct key k;
	void *room;
	uint8_t *to;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		size += pieces[i].len;
	if (size > UINT32_MAX)
		return err_set(err, POD_E_LIMIT, "a message's summary has %zu bytes", size);
	key_mail_uid(&k, mailbox, MAIL_DETAIL, uid);
	r = kv_reserve(txn, t->mail, key_span(&k), size, &room, err);
	if (r < 0)
		return r;
	memcpy(room, len, sizeof(len));
	to = (uint8_t *) room + sizeof(len);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		if (pieces[i].len)
			memcpy(to, pieces[i].p, pieces[i].len);
		to += pieces[i].len;
	}
	return 0;
}

/* ---- deliveries ---- */

#define RANGE_BYTES 8 /* struct uid_range */

int delivery_decode(struct span v, struct delivery *ret, struct span *ret_ranges, struct err *err)
{
	struct delivery d;
	int r = fixed_decode(span_head(v, sizeof(d)), &d, sizeof(d), "deliveries", err);

	if (r < 0)
		return r;
	v = span_skip(v, sizeof(d));
	if (v.len != ((uint64_t) d.ranges_n + d.dest_n) * RANGE_BYTES)
		return err_set(err, POD_E_CORRUPT, "index: a row of deliveries is cut short");
	*ret = d;
	*ret_ranges = v;
	return 0;
}

int delivery_get(struct kv_txn *txn, const struct tables *t, const struct guid *id, uint32_t user, struct delivery *ret,
                 struct span *ret_ranges, struct err *err)
{
	struct key k;
	struct span v;
	int r;

	key_delivery(&k, id, user);
	r = kv_get(txn, t->deliveries, key_span(&k), &v, err);
	return r < 0 ? r : delivery_decode(v, ret, ret_ranges, err);
}

int delivery_put(struct kv_txn *txn, const struct tables *t, const struct guid *id, uint32_t user,
                 const struct delivery *d, struct span ranges, struct err *err)
{
	struct key k;
	void *room;
	int r;

	key_delivery(&k, id, user);
	r = kv_reserve(txn, t->deliveries, key_span(&k), sizeof(*d) + ranges.len, &room, err);
	if (r < 0)
		return r;
	memcpy(room, d, sizeof(*d));
	if (ranges.len)
		memcpy((uint8_t *) room + sizeof(*d), ranges.p, ranges.len);
	return 0;
}

/* ---- states ---- */

int state_row_decode(struct span value, struct state_row *ret, struct err *err)
{
	return fixed_decode(value, ret, sizeof(*ret), "states", err);
}

int state_row_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, struct state_row *ret,
                  struct err *err)
{
	struct key k;

	key_state(&k, user, name);
	return fixed_get(txn, t->states, &k, ret, sizeof(*ret), "states", err);
}

int state_row_put(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, const struct state_row *row,
                  struct err *err)
{
	struct key k;

	key_state(&k, user, name);
	return kv_put(txn, t->states, key_span(&k), span_make(row, sizeof(*row)), err);
}

int state_totals_get(struct kv_txn *txn, const struct tables *t, uint32_t user, struct state_totals *ret, struct err *err)
{
	struct key k;
	int r;

	*ret = (struct state_totals){ 0 };
	key_mailbox(&k, user);
	r = fixed_get(txn, t->states, &k, ret, sizeof(*ret), "states", err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int state_totals_put(struct kv_txn *txn, const struct tables *t, uint32_t user, const struct state_totals *totals,
                     struct err *err)
{
	struct key k;

	key_mailbox(&k, user);
	return kv_put(txn, t->states, key_span(&k), span_make(totals, sizeof(*totals)), err);
}

/* ---- values with strings: each followed by a NUL ---- */

static const char *string_take(struct span *rest)
{
	struct span s = span_split(*rest, 0, rest);

	return rest->p ? (const char *) s.p : NULL;
}

static void string_add(struct buf *b, struct span s)
{
	buf_add(b, s);
	buf_add_byte(b, 0);
}

static int put_buf(struct kv_txn *txn, kv_table t, struct span key, const struct buf *b, struct err *err)
{
	return b->failed ? err_set(err, POD_E_NOMEM, "index row") : kv_put(txn, t, key, buf_span(b), err);
}

struct user_fixed {
	uint32_t no, unused;
	uint64_t quota_bytes, credential_version;
	int64_t created;
};

int user_decode(struct span v, struct user_info *ret, struct err *err)
{
	struct user_fixed f;
	struct span rest = span_skip(v, sizeof(f));
	int r = fixed_decode(span_head(v, sizeof(f)), &f, sizeof(f), "users", err);

	if (r < 0)
		return r;
	*ret = (struct user_info){ .no = f.no, .quota_bytes = f.quota_bytes, .created = f.created,
		                   .credential_version = f.credential_version };
	ret->address = string_take(&rest);
	ret->display_name = string_take(&rest);
	ret->crypt_hash = string_take(&rest);
	ret->scram = string_take(&rest);
	return ret->scram ? 0 : err_set(err, POD_E_CORRUPT, "index: a row of users is cut short");
}

int user_get(struct kv_txn *txn, const struct tables *t, struct span user_id, struct user_info *ret, struct err *err)
{
	struct span v;
	int r;

	if (user_id.len == 0 || user_id.len > KV_KEY_MAX)
		return -POD_E_NOTFOUND;
	r = kv_get(txn, t->users, user_id, &v, err);
	return r < 0 ? r : user_decode(v, ret, err);
}

int user_put(struct kv_txn *txn, const struct tables *t, struct span user_id, const struct user_info *u, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct user_fixed f = { u->no, 0, u->quota_bytes, u->credential_version, u->created };

	buf_add(&b, span_make(&f, sizeof(f)));
	string_add(&b, span_of(u->address));
	string_add(&b, span_of(u->display_name));
	string_add(&b, span_of(u->crypt_hash));
	string_add(&b, span_of(u->scram));
	return put_buf(txn, t->users, user_id, &b, err);
}

int user_copy(struct arena *a, struct user_info *u)
{
	u->address = arena_str(a, span_of(u->address));
	u->display_name = arena_str(a, span_of(u->display_name));
	u->crypt_hash = arena_str(a, span_of(u->crypt_hash));
	u->scram = arena_str(a, span_of(u->scram));
	return u->address && u->display_name && u->crypt_hash && u->scram ? 0 : -POD_E_NOMEM;
}

struct mailbox_fixed {
	uint32_t user, uidvalidity;
	struct guid guid;
	uint32_t keywords_n, unused;
};

int mailbox_decode(struct span v, struct mailbox_info *ret, struct err *err)
{
	struct mailbox_fixed f;
	struct span rest = span_skip(v, sizeof(f));
	int r = fixed_decode(span_head(v, sizeof(f)), &f, sizeof(f), "mailboxes", err);

	if (r < 0)
		return r;
	*ret = (struct mailbox_info){ .user = f.user, .uidvalidity = f.uidvalidity, .guid = f.guid };
	ret->user_id = span_of(string_take(&rest));
	ret->name = span_of(string_take(&rest));
	ret->special_use = string_take(&rest);
	if (!ret->special_use || f.keywords_n > STORE_KEYWORDS_MAX)
		return err_set(err, POD_E_CORRUPT, "index: a row of mailboxes is damaged");
	for (; ret->keywords_n < f.keywords_n; ret->keywords_n++) {
		ret->keywords[ret->keywords_n] = string_take(&rest);
		if (!ret->keywords[ret->keywords_n])
			return err_set(err, POD_E_CORRUPT, "index: a row of mailboxes is cut short");
	}
	return 0;
}

int mailbox_get(struct kv_txn *txn, const struct tables *t, uint32_t id, struct mailbox_info *ret, struct err *err)
{
	struct key k;
	struct span v;
	int r;

	key_mailbox(&k, id);
	r = kv_get(txn, t->mailboxes, key_span(&k), &v, err);
	return r < 0 ? r : mailbox_decode(v, ret, err);
}

int mailbox_put(struct kv_txn *txn, const struct tables *t, uint32_t id, const struct mailbox_info *m, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct mailbox_fixed f = { m->user, m->uidvalidity, m->guid, (uint32_t) m->keywords_n, 0 };
	struct key k;

	buf_add(&b, span_make(&f, sizeof(f)));
	string_add(&b, m->user_id);
	string_add(&b, m->name);
	string_add(&b, span_of(m->special_use));
	for (size_t i = 0; i < m->keywords_n; i++)
		string_add(&b, span_of(m->keywords[i]));
	key_mailbox(&k, id);
	return put_buf(txn, t->mailboxes, key_span(&k), &b, err);
}

int mailbox_copy(struct arena *a, struct mailbox_info *m)
{
	m->user_id = span_make(arena_str(a, m->user_id), m->user_id.len);
	m->name = span_make(arena_str(a, m->name), m->name.len);
	m->special_use = arena_str(a, span_of(m->special_use));
	if (!m->user_id.p || !m->name.p || !m->special_use)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < m->keywords_n; i++) {
		m->keywords[i] = arena_str(a, span_of(m->keywords[i]));
		if (!m->keywords[i])
			return -POD_E_NOMEM;
	}
	return 0;
}

int mailbox_find(struct kv_txn *txn, const struct tables *t, uint32_t user, struct span name, uint32_t *ret_id,
                 struct err *err)
{
	struct key k;

	key_user_name(&k, user, name);
	return fixed_get(txn, t->names, &k, ret_id, sizeof(*ret_id), "names", err);
}

int intent_decode(struct span v, struct intent *ret, struct err *err)
{
	struct span rest = span_skip(v, 1);
	const char *from = string_take(&rest), *to = rest.p ? string_take(&rest) : NULL;

	if (v.len == 0 || !to || (v.p[0] != INTENT_MOVE && v.p[0] != INTENT_REPLACE))
		return err_set(err, POD_E_CORRUPT, "index: a row of intents is damaged");
	*ret = (struct intent){ (enum intent_op) v.p[0], from, to };
	return 0;
}

int intent_put(struct kv_txn *txn, const struct tables *t, uint64_t seq, const struct intent *i, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct key k = { .len = 0 };

	buf_add_byte(&b, (uint8_t) i->op);
	string_add(&b, span_of(i->from));
	string_add(&b, span_of(i->to));
	key_u64(&k, seq);
	return put_buf(txn, t->intents, key_span(&k), &b, err);
}
