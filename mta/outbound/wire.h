/*
 * What travels between the queue and an outbound process, over SOCK_SEQPACKET: small packets of one size,
 * with the messages of outbound.proto as descriptors, for they may be larger than any packet.
 */
#ifndef POD_MTA_OUTBOUND_WIRE_H
#define POD_MTA_OUTBOUND_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/span.h"

enum wire_kind {
	WIRE_JOB,    /* to outbound; descriptors: the packed Job, the body */
	WIRE_CANCEL, /* to outbound; none */
	WIRE_RESULT, /* from outbound; the packed Result */
};

#define WIRE_FDS_MAX 2

struct wire_packet {
	uint64_t number; /* of the job, given by the queue, used once on a connection */
	uint32_t kind;
	uint32_t unused; /* 0 */
};

/* 1: sent; 0: the socket is full, later; -POD_E_UNAVAILABLE. The descriptors stay the caller's. */
int outbound_wire_send(int sock, enum wire_kind kind, uint64_t number, const int *fds, size_t n_fds);
/*
 * 1: a sound packet, its descriptors the caller's, -1 behind the last; 0: nothing there; -POD_E_UNAVAILABLE
 * at the end, -POD_E_PROTOCOL.
 */
int outbound_wire_receive(int sock, struct wire_packet *ret_packet, int ret_fds[WIRE_FDS_MAX]);

/* A message packed into memory with a descriptor. -POD_E_NOMEM. */
int outbound_wire_pack(const ProtobufCMessage *message, int *ret_fd);
/*
 * Reads one, by copying: the other end may still change what the descriptor is of. NULL: it is not there, or
 * is no such message; freed by protobuf_c_message_free_unpacked.
 */
ProtobufCMessage *outbound_wire_unpack(const ProtobufCMessageDescriptor *type, int fd);

#endif
