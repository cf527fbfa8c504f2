#include "imapd/eas/send/sent_copy.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mime/mime.h"
#include "storeproto/frame.h"

#define SUMMARY_ARENA (32u << 20)
#define SENT_NAME     "Sent"
#define SENT_USE      "\\Sent"

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

static ProtobufCBinaryData binary(struct span s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *) (uintptr_t) s.p };
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

/* What does not fit in a frame travels as a file. */
static int file_of(struct span bytes, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("sent", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "a message's file");
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, errno, "a message's file");
		bytes = span_skip(bytes, (size_t) n);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

static int append(struct eas_request *rq, const char *name, const struct guid *id, struct span message,
                  const struct mime_summary *parsed, struct err *err)
{
	Podstore__Append request = PODSTORE__APPEND__INIT;
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;
	_cleanup_(closep) int fd = -1;
	struct guid own = *id;
	int r = 0;

	/* The user may be a recipient, too: their volume knows the delivery by its id, and this is another
	 * message. */
	own.b[ID_SIZE - 1] ^= 1;
	summary.envelope = binary(parsed->envelope);
	summary.bodystructure = binary(parsed->bodystructure);
	summary.parts = binary(parsed->parts);
	summary.headers = binary(parsed->headers);
	request.append_id = binary(span_make(own.b, ID_SIZE));
	request.mailbox = unconst(name);
	request.flags = STORE_FLAG_SEEN;
	request.internal_date = clock_wall_s();
	request.summary = &summary;
	request.size = message.len;
	if (message.len > FRAME_BLOB_INLINE_MAX)
		r = file_of(message, &fd, err);
	return r < 0 ? r
	             : account_call_body(rq->account, rq->a, STORE_APPEND, &request.base,
	                                 fd < 0 ? message : SPAN_NONE, fd, NULL, err);
}

int sent_copy_put(struct eas_request *rq, const struct guid *id, struct span message, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SUMMARY_ARENA);
	struct mime_summary parsed;
	const char *name = NULL;
	int r = a ? mime_summarize(a, message, &parsed) : -POD_E_NOMEM;

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "a message's structure");
	r = find_sent(rq, &name, err);
	return r < 0 ? r : append(rq, name, id, message, &parsed, err);
}
