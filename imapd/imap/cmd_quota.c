/* QUOTA (RFC 9208): one quota root, "", over all of a user's mailboxes; read only for clients. */
#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

static void on_quota(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const Podstore__QuotaReply *quota = (const Podstore__QuotaReply *) reply->message;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	/* STORAGE counts units of 1024 bytes (RFC 9208 5.1). */
	if (quota->limit_bytes > 0)
		imap_untagged(s, "QUOTA \"\" (STORAGE %llu %llu)",
		              (unsigned long long) (quota->used_bytes + 1023) / 1024,
		              (unsigned long long) (quota->limit_bytes + 1023) / 1024);
	else
		imap_untagged(s, "QUOTA \"\" ()");
	imap_reply_ok(s, "%s done", s->command->name);
}

static void ask_quota(struct imap_session *s)
{
	Podstore__QuotaGet *request = arena_new(s->a, Podstore__QuotaGet);

	if (!request) {
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	podstore__quota_get__init(request);
	(void) imap_ask(s, STORE_QUOTA_GET, &request->base, on_quota);
}

/* getquota = "GETQUOTA" SP quota-root-name */
void imap_cmd_getquota(struct imap_session *s, struct imap_parser *p)
{
	struct span root;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_astring(p, &root);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0)
		imap_reply_parse(s, p, r);
	else if (root.len > 0)
		imap_reply_no(s, "[NONEXISTENT] No such quota root");
	else
		ask_quota(s);
}

static void on_mailbox(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	struct imap_out o;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	imap_out_init(&o, imap_output(s));
	imap_out_lit(&o, "* QUOTAROOT ");
	imap_out_mailbox(&o, ((const Podstore__Mailbox *) reply->message)->name);
	imap_out_lit(&o, " \"\"\r\n");
	imap_out_flush(&o);
	ask_quota(s);
}

/* getquotaroot = "GETQUOTAROOT" SP mailbox */
void imap_cmd_getquotaroot(struct imap_session *s, struct imap_parser *p)
{
	Podstore__MailboxGet *request = arena_new(s->a, Podstore__MailboxGet);
	struct span name;
	int r = request ? imap_parse_space(p) : -POD_E_NOMEM;

	if (r == 0)
		r = imap_parse_mailbox(p, &name);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	podstore__mailbox_get__init(request);
	request->name = imap_str(s, name);
	(void) imap_ask(s, STORE_MAILBOX_GET, &request->base, on_mailbox);
}
