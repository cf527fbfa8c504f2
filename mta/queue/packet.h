/*
 * What travels between a session and the queue, over SOCK_SEQPACKET. A request is a number with the packed
 * Submission and the body: behind it in the packet where both are small, else as two descriptors, so that a
 * packet stays whole however large an envelope is. An answer is the same number, a code and words.
 */
#ifndef POD_MTA_QUEUE_PACKET_H
#define POD_MTA_QUEUE_PACKET_H

#include "base/err.h"
#include "base/span.h"

#define SUBMISSION_MAX (32u << 20)
#define PACKET_MAX     (64u << 10) /* of a request with all there is in it */

struct packet_head {
	uint64_t number;
	uint32_t submission, body; /* bytes of each that follow; both 0: they are descriptors */
};

struct packet_request {
	uint64_t number;
	struct span submission, body; /* in the packet */
	int submission_fd, body_fd;   /* or these, the caller's; else -1 */
};

struct packet_answer {
	uint64_t number;
	int32_t code; /* 0 or -POD_E_* */
	char text[200];
};

/* packet: the head and what follows it. fds: two where nothing does, else NULL; they stay the caller's. 1:
 * sent; 0: the socket is full, later; -POD_E_UNAVAILABLE. */
int packet_send_request(int sock, struct span packet, const int *fds);
/* 1: *ret is set, with spans into packet; 0: nothing there; -POD_E_UNAVAILABLE at the end, -POD_E_PROTOCOL.
 */
int packet_receive_request(int sock, uint8_t packet[PACKET_MAX], struct packet_request *ret);
int packet_send_answer(int sock, const struct packet_answer *answer);
int packet_receive_answer(int sock, struct packet_answer *ret_answer);

#endif
