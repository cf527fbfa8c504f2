#include "mta/outbound/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "net/seqpacket.h"

#define MESSAGE_MAX (32u << 20)

struct wire_head {
	uint64_t number;
	uint32_t kind;
	uint32_t message; /* bytes of the message that follow; 0: it is a descriptor, or there is none */
	uint32_t body;    /* the same of the body */
	uint32_t unused;  /* 0 */
};

/* How many descriptors a packet brings that does not bring it all itself. */
static const size_t fds_of[] = { [WIRE_JOB] = 2, [WIRE_CANCEL] = 0, [WIRE_RESULT] = 1 };

/* ---- sending ---- */

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return -POD_E_NOMEM;
		p += n;
		len -= (size_t) n;
	}
	return 0;
}

static int memory_file(const void *p, size_t len, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("outbound", MFD_CLOEXEC);

	if (fd < 0 || write_all(fd, p, len) < 0)
		return -POD_E_NOMEM;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int make_packet(struct wire_parcel *p, enum wire_kind kind, uint64_t number, size_t message,
                       size_t body)
{
	p->size = sizeof(*p->packet) + message + body;
	p->packet = malloc(p->size);
	if (!p->packet)
		return -POD_E_NOMEM;
	*p->packet = (struct wire_head){ .number = number,
		                         .kind = (uint32_t) kind,
		                         .message = (uint32_t) message,
		                         .body = (uint32_t) body };
	return 0;
}

static int pack_inside(struct wire_parcel *p, const ProtobufCMessage *message, struct span body)
{
	uint8_t *to = (uint8_t *) (p->packet + 1);

	if (message)
		to += protobuf_c_message_pack(message, to);
	if (body.len)
		memcpy(to, body.p, body.len);
	return 0;
}

static int pack_files(struct wire_parcel *p, const ProtobufCMessage *message, size_t len, struct span body,
                      int body_fd)
{
	_cleanup_(freep) uint8_t *bytes = len <= MESSAGE_MAX ? malloc(len + 1) : NULL;
	int r = bytes ? 0 : -POD_E_NOMEM;

	if (r == 0) {
		(void) protobuf_c_message_pack(message, bytes);
		r = memory_file(bytes, len, &p->fds[0]);
	}
	if (r == 0 && body.p)
		r = memory_file(body.p, body.len, &p->fds[1]);
	else if (r == 0 && body_fd >= 0) {
		p->fds[1] = fcntl(body_fd, F_DUPFD_CLOEXEC, 0);
		r = p->fds[1] < 0 ? -POD_E_NOMEM : 0;
	}
	return r;
}

int outbound_wire_pack(enum wire_kind kind, uint64_t number, const ProtobufCMessage *message,
                       struct span body, int body_fd, struct wire_parcel *ret)
{
	size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;
	bool inside = (body.p || body_fd < 0) && len <= WIRE_PACKET_MAX &&
	              sizeof(struct wire_head) + len + body.len <= WIRE_PACKET_MAX;
	struct wire_parcel p = WIRE_NOTHING;
	int r = make_packet(&p, kind, number, inside ? len : 0, inside ? body.len : 0);

	if (r == 0)
		r = inside ? pack_inside(&p, message, body) : pack_files(&p, message, len, body, body_fd);
	if (r < 0)
		outbound_wire_drop(&p);
	else
		*ret = p;
	return r;
}

bool outbound_wire_is_packed(const struct wire_parcel *p)
{
	return p->packet;
}

void outbound_wire_drop(struct wire_parcel *p)
{
	closep(&p->fds[0]);
	closep(&p->fds[1]);
	free(p->packet);
	*p = WIRE_NOTHING;
}

int outbound_wire_send(int sock, const struct wire_parcel *p)
{
	size_t n = p->fds[0] < 0 ? 0 : p->fds[1] < 0 ? 1 : 2;

	return seqpacket_send(sock, span_make(p->packet, p->size), n ? p->fds : NULL, n);
}

/* ---- receiving ---- */

void outbound_wire_close(struct wire_packet *p)
{
	closep(&p->message_fd);
	closep(&p->body_fd);
	p->message_fd = p->body_fd = -1;
}

static bool is_sound(const struct wire_head *head, struct span rest, size_t n_fds)
{
	bool inside = head->message || head->body;

	return head->kind < ARRAY_SIZE(fds_of) && (uint64_t) head->message + head->body == rest.len &&
	       n_fds == (inside ? 0 : fds_of[head->kind]);
}

int outbound_wire_receive(int sock, uint8_t buffer[WIRE_PACKET_MAX], struct wire_packet *ret)
{
	int fds[SEQPACKET_FDS_MAX] = { -1, -1 };
	struct wire_head head = { 0 };
	struct span rest;
	size_t size, n;
	int r = seqpacket_receive_some(sock, buffer, WIRE_PACKET_MAX, &size, fds, &n);

	if (r != 1)
		return r;
	if (size >= sizeof(head))
		memcpy(&head, buffer, sizeof(head));
	rest = span_skip(span_make(buffer, size), sizeof(head));
	if (size < sizeof(head) || !is_sound(&head, rest, n)) {
		for (size_t i = 0; i < n; i++)
			(void) close(fds[i]);
		return -POD_E_PROTOCOL;
	}
	*ret = (struct wire_packet){ .number = head.number,
		                     .kind = (enum wire_kind) head.kind,
		                     .message = span_head(rest, head.message),
		                     .body = span_skip(rest, head.message),
		                     .message_fd = n > 0 ? fds[0] : -1,
		                     .body_fd = n > 1 ? fds[1] : -1 };
	return 1;
}

static ProtobufCMessage *unpack_file(const ProtobufCMessageDescriptor *type, int fd)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct stat st;
	size_t len, got = 0;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > (off_t) MESSAGE_MAX)
		return NULL;
	len = (size_t) st.st_size;
	bytes = malloc(len + 1);
	while (bytes && got < len) {
		ssize_t n = pread(fd, bytes + got, len - got, (off_t) got);

		if (n <= 0)
			return NULL;
		got += (size_t) n;
	}
	return bytes ? protobuf_c_message_unpack(type, NULL, len, bytes) : NULL;
}

ProtobufCMessage *outbound_wire_unpack(const ProtobufCMessageDescriptor *type, const struct wire_packet *p)
{
	return p->message_fd >= 0 ? unpack_file(type, p->message_fd)
	                          : protobuf_c_message_unpack(type, NULL, p->message.len, p->message.p);
}
