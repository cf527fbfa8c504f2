#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/account/account.h"
#include "mime/mime.h"
#include "storeproto/frame.h"

static ProtobufCBinaryData binary(struct span s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *) (uintptr_t) s.p };
}

static int summarize(struct arena *a, struct span message, Podstore__Summary *summary)
{
	struct mime_summary s;
	int r = mime_summarize(a, message, &s);

	if (r < 0)
		return r;
	summary->envelope = binary(s.envelope);
	summary->bodystructure = binary(s.bodystructure);
	summary->parts = binary(s.parts);
	summary->headers = binary(s.headers);
	return 0;
}

static int file_of(struct span bytes, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("append", MFD_CLOEXEC);

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

int account_append(struct account *ac, struct arena *a, Podstore__Append *append, struct span message,
                   uint32_t *ret_uid, struct err *err)
{
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;
	_cleanup_(closep) int fd = -1;
	const ProtobufCMessage *answer = NULL;
	int r = summarize(a, message, &summary);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "a message's structure");
	append->summary = &summary;
	append->internal_date = clock_wall_s();
	append->size = message.len;
	if (message.len > FRAME_BLOB_INLINE_MAX)
		r = file_of(message, &fd, err);
	if (r == 0)
		r = account_call_body(ac, a, STORE_APPEND, &append->base, fd < 0 ? message : SPAN_NONE, fd,
		                      &answer, err);
	append->summary = NULL;
	if (r == 0)
		*ret_uid = ((const Podstore__AppendReply *) answer)->uid;
	return r;
}
