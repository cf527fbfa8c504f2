/*
 * Access keys of mailboxes (RFC 4467 2): made when a URL is first signed, thrown away by RESETKEY. They lie
 * with the mailbox's mail and go with it; a rebuilt index has none, as after a reset.
 */
#include "store/index/change.h"

#include "base/id.h"
#include "store/index/mailbox.h"

static void key_of(struct key *k, uint32_t mailbox)
{
	key_mail(k, mailbox, MAIL_URL_KEY);
}

int url_key_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox,
                uint8_t ret_key[VOLUME_URL_KEY_SIZE], struct err *err)
{
	struct span v;
	struct key k;
	int r;

	key_of(&k, mailbox);
	r = kv_get(txn, t->mail, key_span(&k), &v, err);
	if (r == 0 && v.len != VOLUME_URL_KEY_SIZE)
		r = err_set(err, POD_E_CORRUPT, "index: the access key of a mailbox is damaged");
	if (r == 0)
		memcpy(ret_key, v.p, v.len);
	return r;
}

int change_url_key(struct batch *b, struct change *c)
{
	struct mailbox_state *m = NULL;
	struct user_state *u = NULL;
	struct key k;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0)
		r = mailbox_by_name(b, u, c->u.url_key.name, &m, &c->err);
	if (r < 0)
		return r;
	c->u.url_key.uidvalidity = m->info.uidvalidity;
	r = url_key_get(&b->txn, &b->vol->t, m->id, c->u.url_key.key, &c->err);
	if (r != -POD_E_NOTFOUND)
		return r;
	random_bytes(c->u.url_key.key, VOLUME_URL_KEY_SIZE);
	key_of(&k, m->id);
	return batch_wrote(b,
	                   kv_put(&b->txn, b->vol->t.mail, key_span(&k),
	                          span_make(c->u.url_key.key, VOLUME_URL_KEY_SIZE), &c->err),
	                   &c->err);
}

static int reset_one(struct batch *b, uint32_t mailbox, struct err *err)
{
	struct key k;
	int r;

	key_of(&k, mailbox);
	r = kv_delete(&b->txn, b->vol->t.mail, key_span(&k), err);
	return r == -POD_E_NOTFOUND ? 0 : batch_wrote(b, r, err);
}

static int reset_all(struct batch *b, const struct user_state *u, struct err *err)
{
	struct span key, value;
	struct key k;
	KV_CURSOR c = { 0 };
	int r = kv_cursor_open(&b->txn, b->vol->t.names, &c, err), at;

	if (r < 0)
		return r;
	key_mailbox(&k, u->info.no);
	for (at = kv_cursor_seek(&c, key_span(&k), &key, &value);
	     at == 0 && r == 0 && key_get_u32(key, 0) == u->info.no; at = kv_cursor_next(&c, &key, &value)) {
		uint32_t id;

		if (value.len != sizeof(id))
			return err_set(err, POD_E_CORRUPT, "index: a row of names is damaged");
		memcpy(&id, value.p, sizeof(id));
		r = reset_one(b, id, err);
	}
	return r;
}

int change_url_reset(struct batch *b, struct change *c)
{
	struct mailbox_state *m = NULL;
	struct user_state *u = NULL;
	int r = batch_user(b, c->user_id, &u, &c->err);

	if (r == 0 && c->u.url_key.name.len == 0)
		return reset_all(b, u, &c->err);
	if (r == 0)
		r = mailbox_by_name(b, u, c->u.url_key.name, &m, &c->err);
	return r < 0 ? r : reset_one(b, m->id, &c->err);
}
