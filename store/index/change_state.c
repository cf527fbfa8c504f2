/* States put and deleted: all of a change, or nothing of it. See states.h. */
#include "store/index/change.h"
#include "store/index/folders.h"
#include "store/index/states.h"

static int check_version(struct batch *b, const struct user_state *u, const struct state_put *put,
                         struct err *err)
{
	struct state_row row = { 0 };
	int r;

	if (!put->expects)
		return 0;
	r = state_row_get(&b->txn, &b->vol->t, u->info.no, put->name, &row, err);
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	return row.version == put->expected
	               ? 0
	               : err_set(err, POD_E_CONFLICT, "state " SPAN_FMT " was changed meanwhile",
	                         SPAN_ARG(put->name));
}

static int check_put(struct batch *b, const struct user_state *u, const struct state_put *put,
                     struct err *err)
{
	if (!state_name_is_valid(put->name))
		return err_set(err, POD_E_SYNTAX, "a state's name has 1 to %d letters, digits and ._:@=+,~-/",
		               STATE_NAME_MAX);
	if (put->value.len > STATE_VALUE_MAX)
		return err_set(err, POD_E_LIMIT, "state " SPAN_FMT " has more than %zu bytes",
		               SPAN_ARG(put->name), STATE_VALUE_MAX);
	return check_version(b, u, put, err);
}

/* Rows were written before: what the changes of before did must not stay without this one. */
static int failed(struct batch *b, size_t done, int r, const struct err *err)
{
	return done ? batch_wrote(b, r, err) : r;
}

int change_state_put(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = folders_check(b, &c->err);
	for (size_t i = 0; r == 0 && i < c->u.state.puts_n; i++)
		r = check_put(b, u, &c->u.state.puts[i], &c->err);
	for (size_t i = 0; r == 0 && i < c->u.state.puts_n; i++) {
		r = states_put(b, u, &c->u.state.puts[i], &c->u.state.puts[i].version, &c->err);
		if (r < 0)
			return failed(b, i, r, &c->err);
	}
	if (r == 0 && c->u.state.by_admin)
		u->account_changed = true;
	return r;
}

/* Names are read first: a cursor does not bear that rows go while it walks. */
static int collect(struct batch *b, const struct user_state *u, struct span prefix, struct span **ret_names,
                   size_t *ret_n, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, *names = NULL;
	struct key k;
	size_t n = 0, cap = 0;
	int r = kv_cursor_open(&b->txn, b->vol->t.states, &c, err);

	key_state(&k, u->info.no, prefix);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, NULL);
	for (; r == 0 && key_get_u32(key, 0) == u->info.no &&
	       span_eq(span_head(state_key_name(key), prefix.len), prefix);
	     r = kv_cursor_next(&c, &key, NULL)) {
		if (state_key_name(key).len == 0) /* the totals */
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			names = arena_grow(b->a, names, n, cap, sizeof(*names));
		}
		if (!names)
			return err_set(err, POD_E_NOMEM, "states");
		names[n] = arena_dup(b->a, state_key_name(key));
		if (!names[n++].p)
			return err_set(err, POD_E_NOMEM, "states");
	}
	*ret_names = names;
	*ret_n = n;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int change_state_delete(struct batch *b, struct change *c)
{
	struct user_state *u = NULL;
	struct span *names = NULL;
	size_t n = 0;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = folders_check(b, &c->err);
	if (r == 0)
		r = collect(b, u, c->u.state.prefix, &names, &n, &c->err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct state_put put = { .name = names[i], .remove = true };
		uint64_t version;

		r = states_put(b, u, &put, &version, &c->err);
		if (r < 0)
			return failed(b, i, r, &c->err);
	}
	c->u.state.removed = n;
	if (r == 0 && c->u.state.by_admin)
		u->account_changed = true;
	return r;
}
