#include "mta/queue/packet.h"

#include "net/seqpacket.h"

int packet_send_request(int sock, uint64_t number, int submission_fd, int body_fd)
{
	return seqpacket_send(sock, span_make(&number, sizeof(number)), (int[]){ submission_fd, body_fd }, 2);
}

int packet_receive_request(int sock, uint64_t *ret_number, int *ret_submission_fd, int *ret_body_fd)
{
	uint64_t number = 0;
	int fds[2];
	int r = seqpacket_receive(sock, &number, sizeof(number), fds, 2);

	if (r != 1)
		return r;
	*ret_number = number;
	*ret_submission_fd = fds[0];
	*ret_body_fd = fds[1];
	return 1;
}

int packet_send_answer(int sock, const struct packet_answer *answer)
{
	return seqpacket_send(sock, span_make(answer, sizeof(*answer)), NULL, 0);
}

int packet_receive_answer(int sock, struct packet_answer *ret_answer)
{
	int r = seqpacket_receive(sock, ret_answer, sizeof(*ret_answer), NULL, 0);

	if (r == 1)
		ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
	return r;
}
