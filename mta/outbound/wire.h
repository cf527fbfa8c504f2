/*
 * What travels between the queue and an outbound process, over SOCK_SEQPACKET: packets with a message of
 * outbound.proto, and of a job the body, behind them; where both together are larger than a packet they are
 * descriptors.
 */
#ifndef POD_MTA_OUTBOUND_WIRE_H
#define POD_MTA_OUTBOUND_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/span.h"

#define WIRE_PACKET_MAX (64u << 10)

enum wire_kind {
	WIRE_JOB,    /* to outbound: a Job, the body */
	WIRE_CANCEL, /* to outbound: nothing */
	WIRE_RESULT, /* from outbound: a Result */
};

/* What is sent, until it is. Start from WIRE_NOTHING. */
struct wire_parcel {
	struct wire_head *packet; /* with what follows it */
	size_t size;
	int fds[2]; /* message, body; -1: in the packet, or there is none */
};
#define WIRE_NOTHING ((struct wire_parcel){ .fds = { -1, -1 } })

/* What was received. */
struct wire_packet {
	uint64_t number; /* of the job, given by the queue, used once on a connection */
	enum wire_kind kind;
	struct span message, body; /* in the buffer it was received into */
	int message_fd, body_fd;   /* or these, the receiver's; else -1 */
};

/*
 * Packs a message (NULL: none) and the body: bytes, copied, or where bytes.p is NULL body_fd, duplicated, or
 * where that is -1 none. -POD_E_NOMEM.
 */
int outbound_wire_pack(enum wire_kind kind, uint64_t number, const ProtobufCMessage *message,
                       struct span body, int body_fd, struct wire_parcel *ret);
bool outbound_wire_is_packed(const struct wire_parcel *p);
void outbound_wire_drop(struct wire_parcel *p); /* as WIRE_NOTHING again */
/* 1: sent; 0: the socket is full, later; -POD_E_UNAVAILABLE. The parcel stays the caller's. */
int outbound_wire_send(int sock, const struct wire_parcel *p);
/* 1: a sound packet; 0: nothing there; -POD_E_UNAVAILABLE at the end, -POD_E_PROTOCOL. */
int outbound_wire_receive(int sock, uint8_t buffer[WIRE_PACKET_MAX], struct wire_packet *ret);
/* Closes what a packet brought. */
void outbound_wire_close(struct wire_packet *p);
/*
 * Reads the message, by copying: the other end may still change what a descriptor is of. NULL: it is not
 * there, or is no such message; freed by protobuf_c_message_free_unpacked.
 */
ProtobufCMessage *outbound_wire_unpack(const ProtobufCMessageDescriptor *type, const struct wire_packet *p);

#endif
