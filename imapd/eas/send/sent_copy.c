#include "imapd/eas/send/sent_copy.h"

#include "base/cleanup.h"

#define SUMMARY_ARENA (32u << 20)
#define SENT_NAME     "Sent"
#define SENT_USE      "\\Sent"

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

/* Made by us where the user has none; one of that name without the special use is as good. */
static int make_sent(struct eas_request *rq, struct err *err)
{
	Podstore__MailboxCreate request = PODSTORE__MAILBOX_CREATE__INIT;
	int r;

	request.name = unconst(SENT_NAME);
	request.special_use = unconst(SENT_USE);
	r = account_call(rq->account, rq->a, STORE_MAILBOX_CREATE, &request.base, NULL, err);
	return r == -POD_E_EXISTS ? 0 : r;
}

static int find_sent(struct eas_request *rq, const char **ret_name, struct err *err)
{
	Podstore__MailboxList request = PODSTORE__MAILBOX_LIST__INIT;
	const ProtobufCMessage *answer = NULL;
	const Podstore__MailboxListReply *list;
	int r = account_call(rq->account, rq->a, STORE_MAILBOX_LIST, &request.base, &answer, err);

	if (r < 0)
		return r;
	list = (const Podstore__MailboxListReply *) answer;
	*ret_name = SENT_NAME;
	for (size_t i = 0; i < list->n_mailboxes; i++)
		if (list->mailboxes[i]->exists && strcmp(list->mailboxes[i]->special_use, SENT_USE) == 0) {
			*ret_name = list->mailboxes[i]->name;
			return 0;
		}
	return make_sent(rq, err);
}

static int append(struct eas_request *rq, struct arena *a, const char *name, const struct guid *id,
                  struct span message, struct err *err)
{
	Podstore__Append request = PODSTORE__APPEND__INIT;
	struct guid own = *id;
	uint32_t uid;

	/* The user may be a recipient, too: their volume knows the delivery by its id, and this is another
	 * message. */
	own.b[ID_SIZE - 1] ^= 1;
	request.append_id = (ProtobufCBinaryData){ ID_SIZE, own.b };
	request.mailbox = unconst(name);
	request.flags = STORE_FLAG_SEEN;
	return account_append(rq->account, a, &request, message, &uid, err);
}

int sent_copy_put(struct eas_request *rq, const struct guid *id, struct span message, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SUMMARY_ARENA);
	const char *name = NULL;
	int r = a ? find_sent(rq, &name, err) : err_set(err, POD_E_NOMEM, "a message's structure");

	return r < 0 ? r : append(rq, a, name, id, message, err);
}
