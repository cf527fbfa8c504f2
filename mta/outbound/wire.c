#include "mta/outbound/wire.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "net/seqpacket.h"

#define MESSAGE_MAX (32u << 20)

static const size_t fds_of[] = { [WIRE_JOB] = 2, [WIRE_CANCEL] = 0, [WIRE_RESULT] = 1 };

int outbound_wire_send(int sock, enum wire_kind kind, uint64_t number, const int *fds, size_t n_fds)
{
	const struct wire_packet p = { .number = number, .kind = kind };

	return seqpacket_send(sock, span_make(&p, sizeof(p)), fds, n_fds);
}

int outbound_wire_receive(int sock, struct wire_packet *ret_packet, int ret_fds[WIRE_FDS_MAX])
{
	int fds[SEQPACKET_FDS_MAX];
	struct wire_packet p;
	size_t n;
	int r = seqpacket_receive_any(sock, &p, sizeof(p), fds, &n);

	if (r != 1)
		return r;
	if (p.kind >= ARRAY_SIZE(fds_of) || fds_of[p.kind] != n) {
		for (size_t i = 0; i < n; i++)
			(void) close(fds[i]);
		return -POD_E_PROTOCOL;
	}
	for (size_t i = 0; i < WIRE_FDS_MAX; i++)
		ret_fds[i] = i < n ? fds[i] : -1;
	*ret_packet = p;
	return 1;
}

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

int outbound_wire_pack(const ProtobufCMessage *message, int *ret_fd)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	_cleanup_(freep) uint8_t *bytes = len <= MESSAGE_MAX ? malloc(len + 1) : NULL;
	_cleanup_(closep) int fd = bytes ? memfd_create("outbound", MFD_CLOEXEC) : -1;

	if (fd < 0)
		return -POD_E_NOMEM;
	(void) protobuf_c_message_pack(message, bytes);
	if (write_all(fd, bytes, len) < 0)
		return -POD_E_NOMEM;
	*ret_fd = take_fd(&fd);
	return 0;
}

ProtobufCMessage *outbound_wire_unpack(const ProtobufCMessageDescriptor *type, int fd)
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
