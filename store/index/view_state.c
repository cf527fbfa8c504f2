/* Reading states: a row says which file, the file has the value. */
#include "store/index/view.h"
#include "store/maildir/state_file.h"

#define TRIES_MAX 16

static int find_user(struct volume *vol, struct kv_txn *txn, struct span user_id, uint32_t *ret_no,
                     struct err *err)
{
	struct user_info info;
	int r = kv_txn_begin(vol->kv, KV_READ, txn, err);

	if (r == 0)
		r = user_get(txn, &vol->t, user_id, &info, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "no such user");
	if (r == 0)
		*ret_no = info.no;
	return r;
}

static int find_row(struct volume *vol, struct span user_id, struct span name, struct state_row *ret,
                    struct err *err)
{
	KV_TXN txn = { 0 };
	uint32_t no = 0;
	int r = find_user(vol, &txn, user_id, &no, err);

	if (r == 0)
		r = state_row_get(&txn, &vol->t, no, name, ret, err);
	return r == -POD_E_NOTFOUND ? err_set(err, POD_E_NOTFOUND, "no state " SPAN_FMT, SPAN_ARG(name)) : r;
}

/* The file may go right after its row was read: then there is another row. */
int volume_state_get(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                     struct volume_state *ret, struct err *err)
{
	struct state_file f;
	struct state_row row;
	int r;

	if (!state_name_is_valid(name))
		return err_set(err, POD_E_SYNTAX, "no name of a state");
	for (int tries = 0;; tries++) {
		r = find_row(vol, user_id, name, &row, err);
		if (r < 0)
			return r;
		r = state_file_read(vol->dir, user_id, name, row.version, a, &f, err);
		if (r != -POD_E_NOTFOUND)
			break;
		if (tries == TRIES_MAX)
			return err_set(err, POD_E_CORRUPT, "the file of state " SPAN_FMT " is missing",
			               SPAN_ARG(name));
	}
	if (r == 0)
		*ret = (struct volume_state){ f.name, row.version, row.changed, row.size, f.value };
	return r;
}

int volume_state_list(struct volume *vol, struct arena *a, struct span user_id, struct span prefix,
                      struct volume_state **ret_items, size_t *ret_n, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct volume_state *items = NULL;
	struct span key, value;
	struct state_row row;
	struct key k;
	size_t n = 0, cap = 0;
	uint32_t no = 0;
	int r = find_user(vol, &txn, user_id, &no, err);

	if (r < 0)
		return r;
	r = kv_cursor_open(&txn, vol->t.states, &c, err);
	key_state(&k, no, prefix);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == no &&
	       span_eq(span_head(state_key_name(key), prefix.len), prefix);
	     r = kv_cursor_next(&c, &key, &value)) {
		struct span name = state_key_name(key);

		if (name.len == 0) /* the totals */
			continue;
		r = state_row_decode(value, &row, err);
		if (r < 0)
			return r;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			items = arena_grow(a, items, n, cap, sizeof(*items));
		}
		name = items ? arena_dup(a, name) : SPAN_NONE;
		if (!name.p)
			return err_set(err, POD_E_NOMEM, "states");
		items[n++] = (struct volume_state){ name, row.version, row.changed, row.size, SPAN_NONE };
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	*ret_items = items;
	*ret_n = n;
	return 0;
}
