/*
 * What travels between a session and the queue, over SOCK_SEQPACKET: a request is a number and two
 * descriptors (the packed Submission, the body), an answer the same number, a code and words. However large
 * an envelope is, a packet stays small and whole.
 */
#ifndef POD_MTA_QUEUE_PACKET_H
#define POD_MTA_QUEUE_PACKET_H

#include "base/err.h"
#include "base/span.h"

#define SUBMISSION_MAX (32u << 20)

struct packet_answer {
	uint64_t number;
	int32_t code; /* 0 or -POD_E_* */
	char text[200];
};

/* 1: sent; 0: the socket is full, later; -POD_E_UNAVAILABLE. */
int packet_send_request(int sock, uint64_t number, int submission_fd, int body_fd);
/* 1: *ret_* are set, the descriptors the caller's; 0: nothing there; -POD_E_UNAVAILABLE at the end,
 * -POD_E_PROTOCOL. */
int packet_receive_request(int sock, uint64_t *ret_number, int *ret_submission_fd, int *ret_body_fd);
int packet_send_answer(int sock, const struct packet_answer *answer);
int packet_receive_answer(int sock, struct packet_answer *ret_answer);

#endif
