/*
 * What a BURL names, read from the store that has it (RFC 4468, RFC 4467): a URL that its owner signed for
 * submission by the user who has authenticated here. Nothing else opens a mailbox to the mta, and the store
 * checks the signature.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "mime/imap_url.h"
#include "mta/conn/internal.h"

#define READ_MAX 65536

static const struct smtp_status not_had = { 554, "5.6.6", "The URL is not valid, or not any more" };
static const struct smtp_status not_trusted = { 554, "5.7.0", "The URL is not signed for submission by you" };
static const struct smtp_status not_now = { 451, "4.4.1",
	                                    "The mailbox is not to be reached now, try again later" };

static int find(struct smtp_conn *c, struct arena *a, const char *address, struct directory_user *ret)
{
	return directory_user_find(c->w->dir, a, span_of(address), ret, NULL);
}

/* Both names may be any of the user's. */
static bool is_for_user(struct smtp_conn *c, struct arena *a, const struct imap_url *url)
{
	struct directory_user signed_for, here;

	return url->access == IMAP_URL_SUBMIT && find(c, a, url->access_user, &signed_for) == 0 &&
	       find(c, a, smtp_session_user(c->session), &here) == 0 &&
	       strcmp(signed_for.user_id, here.user_id) == 0;
}

static void feed_file(struct smtp_conn *c, int fd, uint64_t size, int *ret_r)
{
	uint8_t bytes[READ_MAX];

	for (uint64_t at = 0; at < size && *ret_r == 0;) {
		ssize_t n = pread(fd, bytes, sizeof(bytes) < size - at ? sizeof(bytes) : (size_t) (size - at),
		                  (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*ret_r = -POD_E_IO;
			return;
		}
		smtp_session_burl_data(c->session, span_make(bytes, (size_t) n));
		at += (uint64_t) n;
	}
}

static void burl_on_reply(void *arg, const struct store_reply *reply)
{
	struct smtp_conn *c = arg;
	const Podstore__BodyOpenReply *opened = (const Podstore__BodyOpenReply *) reply->message;
	int r = reply->code;

	if (r == 0 && reply->fd >= 0)
		feed_file(c, reply->fd, opened ? opened->size : 0, &r);
	else if (r == 0 && reply->blob.len)
		smtp_session_burl_data(c->session, reply->blob);
	if (!reply->final && r == 0)
		return;
	if (!reply->final)
		store_call_cancel(c->burl_call);
	c->burl_call = NULL;
	log_event(&c->mail_log, LOGL_INFO, r == 0 ? "burl.read" : "burl.refused", F_CODE(r));
	smtp_session_burl_done(c->session, r == 0                                     ? NULL
	                                   : r == -POD_E_AUTH || r == -POD_E_NOTFOUND ? &not_had
	                                                                              : &not_now);
	smtp_conn_pump(c);
}

static const struct smtp_status *ask(struct smtp_conn *c, struct arena *a, const struct imap_url *url)
{
	Podstore__UrlOpen request = PODSTORE__URL_OPEN__INIT;
	struct directory_user owner;
	struct store_client *store;

	if (find(c, a, url->user, &owner) < 0)
		return &not_had;
	store = store_pool_get(c->w->pool, owner.volume, NULL);
	if (!store)
		return &not_now;
	request.user_id = (char *) (uintptr_t) owner.user_id;
	request.name = (char *) (uintptr_t) url->mailbox;
	request.uidvalidity = url->uidvalidity;
	request.uid = url->uid;
	request.text = (ProtobufCBinaryData){ url->rump.len, (uint8_t *) (uintptr_t) url->rump.p };
	request.token = (ProtobufCBinaryData){ url->token.len, (uint8_t *) (uintptr_t) url->token.p };
	c->burl_call = store_call(store, STORE_URL_OPEN, &request.base, SPAN_NONE, -1,
	                          (unsigned int) c->w->conf->mta.store_timeout_ms, burl_on_reply, c);
	return c->burl_call ? NULL : &not_now;
}

void smtp_conn_burl_open(void *arg, struct smtp_mail *mail, struct span text)
{
	struct smtp_conn *c = arg;
	const struct smtp_status *failed = &not_had;
	struct imap_url url;

	if (imap_url_parse(text, mail->arena, &url) == 0 && url.token.len &&
	    (url.expires_s == 0 || url.expires_s > clock_wall_s()))
		failed = is_for_user(c, mail->arena, &url) ? ask(c, mail->arena, &url) : &not_trusted;
	if (failed)
		smtp_session_burl_done(c->session, failed);
}

void smtp_conn_burl_cancel(struct smtp_conn *c)
{
	if (c->burl_call)
		store_call_cancel(c->burl_call);
	c->burl_call = NULL;
}
