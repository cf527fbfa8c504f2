/* URLs that somebody signed, and what is behind them (RFC 4467): URL_SIGN, URL_RESET, URL_OPEN. */
#include "store/service/body_open.h"
#include "store/service/service_internal.h"

/* The token is of what the URL says, so that none of it can be altered; and of the mailbox as it is now. */
static void signed_url(struct change *c)
{
	struct task *t = c->owner;
	const Podstore__UrlSign *m = (const Podstore__UrlSign *) t->message;
	Podstore__UrlSigned reply = PODSTORE__URL_SIGNED__INIT;
	uint8_t token[AUTH_URL_TOKEN_SIZE];

	if (change_failed(c))
		return;
	if (auth_url_token(c->u.url_key.key, span_make(m->text.data, m->text.len), token) < 0) {
		task_fail(t, -POD_E_INTERNAL);
		return;
	}
	reply.token = (ProtobufCBinaryData){ sizeof(token), token };
	reply.uidvalidity = c->u.url_key.uidvalidity;
	task_reply(t, &reply.base);
}

void method_url_sign(struct task *t)
{
	const Podstore__UrlSign *m = (const Podstore__UrlSign *) t->message;
	struct change *c = task_change(t, CHANGE_URL_KEY, signed_url);

	if (!c)
		return;
	c->u.url_key.name = span_of(m->name);
	volume_submit(t->svc->vol, c);
}

static void reset_done(struct change *c)
{
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;

	if (!change_failed(c))
		task_reply(c->owner, &empty.base);
}

void method_url_reset(struct task *t)
{
	const Podstore__UrlReset *m = (const Podstore__UrlReset *) t->message;
	struct change *c = task_change(t, CHANGE_URL_RESET, reset_done);

	if (!c)
		return;
	c->u.url_key.name = span_of(m->name);
	volume_submit(t->svc->vol, c);
}

/* Whatever is wrong with a URL, it is not good: nobody learns whether a mailbox is there. */
static int check(struct task *t, const Podstore__UrlOpen *m, uint32_t *ret_mailbox)
{
	uint8_t key[VOLUME_URL_KEY_SIZE];
	struct volume_mailbox box;
	struct span user = span_of(m->user_id);
	int r = volume_mailbox_get(t->svc->vol, t->a, user, span_of(m->name), &box, NULL);

	if (r == 0 && m->uidvalidity && m->uidvalidity != box.uidvalidity)
		r = -POD_E_NOTFOUND;
	if (r == 0)
		r = volume_url_key(t->svc->vol, box.id, key, NULL);
	if (r == 0 && !auth_url_token_check(key, span_make(m->text.data, m->text.len),
	                                    span_make(m->token.data, m->token.len)))
		r = -POD_E_AUTH;
	if (r == -POD_E_NOTFOUND || r == -POD_E_AUTH)
		return err_set(&t->err, POD_E_AUTH, "the URL is not valid, or not any more");
	if (r == 0)
		*ret_mailbox = box.id;
	return r;
}

/* In the name of who signed the URL. */
static int open_signed(struct task *t, int *ret_fd, uint64_t *ret_size, struct span *ret_parts)
{
	const Podstore__UrlOpen *m = (const Podstore__UrlOpen *) t->message;
	uint32_t mailbox = 0;
	int r = check(t, m, &mailbox);

	return r < 0 ? r
	             : volume_body_open(t->svc->vol, t->a, span_of(m->user_id), mailbox, m->uid, ret_fd,
	                                ret_size, ret_parts, &t->err);
}

void method_url_open(struct task *t)
{
	body_open_answer(t, open_signed);
}
