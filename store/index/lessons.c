#include "store/index/lessons.h"

#include "base/cleanup.h"
#include "store/index/change.h"

static const struct span prefix = SPAN_LIT("lesson/");

/* Value of a row, as the machine lays it out. */
struct lesson_row {
	int64_t at_s;
	uint32_t mailbox,
		uid; /* where the message is now; mailbox 0: no lesson, only a number that is taken */
	uint32_t spam, unused;
};

static void key_lesson(struct key *k, uint64_t number)
{
	k->len = 0;
	(void) key_bytes(k, prefix);
	key_u64(k, number);
}

static bool is_lesson(struct span key)
{
	return key.len == prefix.len + 8 && span_eq(span_head(key, prefix.len), prefix);
}

static uint64_t number_of(struct span key)
{
	return key_get_u64(key, prefix.len);
}

/* The numbers of the first and the last row; both 0 where there is none. */
static int bounds(struct kv_txn *txn, kv_table meta, uint64_t *ret_first, uint64_t *ret_last, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct key k;
	struct span key;
	int r = kv_cursor_open(txn, meta, &c, err);

	*ret_first = *ret_last = 0;
	key_lesson(&k, 0);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	if (r < 0 || !is_lesson(key))
		return r == -POD_E_NOTFOUND ? 0 : r;
	*ret_first = number_of(key);
	/* The last one is before the first key that is none: that of the highest number, which is never given
	 * out. */
	key_lesson(&k, UINT64_MAX);
	r = kv_cursor_seek(&c, key_span(&k), NULL, NULL);
	r = r == -POD_E_NOTFOUND ? kv_cursor_last(&c, &key, NULL)
	    : r == 0             ? kv_cursor_prev(&c, &key, NULL)
	                         : r;
	if (r == 0)
		*ret_last = number_of(key);
	return r;
}

static bool has_use(const struct mailbox_state *m, const char *use, struct span name)
{
	return strcmp(m->info.special_use, use) == 0 ||
	       (!*m->info.special_use && span_eq(m->info.name, name));
}

static bool is_junk(const struct mailbox_state *m)
{
	return has_use(m, "\\Junk", SPAN_LIT("Junk"));
}

static int put_all(struct batch *b, const struct mailbox_state *target, uint32_t first_uid, size_t n,
                   uint64_t first, uint64_t next, struct err *err)
{
	struct lesson_row row = { .at_s = b->now, .mailbox = target->id, .spam = is_junk(target) };
	struct key k;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n && i < LESSONS_MAX; i++, next++) {
		row.uid = first_uid + (uint32_t) i;
		key_lesson(&k, next);
		r = kv_put(&b->txn, b->vol->t.meta, key_span(&k), span_make(&row, sizeof(row)), err);
		for (; r == 0 && first && next - first >= LESSONS_MAX; first++) {
			key_lesson(&k, first);
			r = kv_delete(&b->txn, b->vol->t.meta, key_span(&k), err);
			r = r == -POD_E_NOTFOUND ? 0 : r;
		}
	}
	return r;
}

int lessons_note(struct batch *b, const struct mailbox_state *source, const struct mailbox_state *target,
                 uint32_t first_uid, size_t n, struct err *err)
{
	uint64_t first, last;
	int r;

	if (is_junk(source) == is_junk(target) || has_use(target, "\\Trash", SPAN_LIT("Trash")))
		return 0;
	r = bounds(&b->txn, b->vol->t.meta, &first, &last, err);
	if (r == 0)
		r = put_all(b, target, first_uid, n, first, last + 1, err);
	return batch_wrote(b, r, err);
}

/* The last number stays taken: a repeated LESSONS_DONE must not mean lessons that came after the first. */
static int keep_number(struct batch *b, uint64_t number, struct err *err)
{
	const struct lesson_row none = { .mailbox = 0 };
	struct key k;

	key_lesson(&k, number);
	return kv_put(&b->txn, b->vol->t.meta, key_span(&k), span_make(&none, sizeof(none)), err);
}

/* Those up to a number are learnt. */
int change_lessons_done(struct batch *b, struct change *c)
{
	KV_CURSOR cursor = { 0 };
	uint64_t number = 0;
	struct key k;
	struct span key;
	int r = kv_cursor_open(&b->txn, b->vol->t.meta, &cursor, &c->err);

	key_lesson(&k, 0);
	if (r == 0)
		r = kv_cursor_seek(&cursor, key_span(&k), &key, NULL);
	while (r == 0 && is_lesson(key) && number_of(key) <= c->u.lessons.done) {
		number = number_of(key);
		r = kv_cursor_delete(&cursor, &c->err);
		if (r == 0)
			r = kv_cursor_next(&cursor, &key, NULL);
	}
	if (number && (r == -POD_E_NOTFOUND || (r == 0 && !is_lesson(key))))
		r = keep_number(b, number, &c->err);
	return batch_wrote(b, r == -POD_E_NOTFOUND ? 0 : r, &c->err);
}

/* ---- reading ---- */

static int lesson_decode(struct kv_txn *txn, const struct tables *t, struct span key, struct span value,
                         struct arena *a, struct volume_lesson *ret, struct err *err)
{
	struct lesson_row row;
	struct mailbox_info info;
	int r;

	if (value.len != sizeof(row))
		return err_set(err, POD_E_CORRUPT, "index: a lesson is damaged");
	memcpy(&row, value.p, sizeof(row));
	*ret = (struct volume_lesson){ .number = number_of(key),
		                       .at_s = row.at_s,
		                       .mailbox = row.mailbox,
		                       .uid = row.uid,
		                       .spam = row.spam };
	r = mailbox_get(txn, t, row.mailbox, &info, err);
	if (r == -POD_E_NOTFOUND) {
		ret->user_id = SPAN_LIT(""); /* the mailbox is gone: there is nothing to learn from */
		return 0;
	}
	ret->user_id = r == 0 ? arena_dup(a, info.user_id) : SPAN_NONE;
	return r == 0 && !ret->user_id.p ? err_set(err, POD_E_NOMEM, "lessons") : r;
}

int volume_lessons(struct volume *vol, struct arena *a, uint64_t from, struct volume_lesson *lessons,
                   size_t max, size_t *ret_n, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	size_t n = 0;
	int r = kv_txn_begin(vol->kv, KV_READ, &txn, err);

	key_lesson(&k, from);
	if (r == 0)
		r = kv_cursor_open(&txn, vol->t.meta, &c, err);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	while (r == 0 && n < max && is_lesson(key)) {
		r = lesson_decode(&txn, &vol->t, key, value, a, &lessons[n], err);
		if (r == 0 && lessons[n].mailbox)
			n++;
		if (r == 0)
			r = kv_cursor_next(&c, &key, &value);
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	*ret_n = n;
	return 0;
}
