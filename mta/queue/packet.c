#include "mta/queue/packet.h"

#include <unistd.h>

#include "net/seqpacket.h"

int packet_send_request(int sock, struct span packet, const int *fds)
{
	return seqpacket_send(sock, packet, fds, fds ? 2 : 0);
}

int packet_receive_request(int sock, uint8_t packet[PACKET_MAX], struct packet_request *ret)
{
	struct packet_head head = { 0 };
	struct span rest;
	size_t size, n;
	int fds[SEQPACKET_FDS_MAX];
	int r = seqpacket_receive_some(sock, packet, PACKET_MAX, &size, fds, &n);
	bool inside, sound;

	if (r != 1)
		return r;
	if (size >= sizeof(head))
		memcpy(&head, packet, sizeof(head));
	rest = span_skip(span_make(packet, size), sizeof(head));
	inside = head.submission || head.body;
	sound = size >= sizeof(head) && (uint64_t) head.submission + head.body == rest.len &&
	        n == (inside ? 0 : 2);
	for (size_t i = 0; !sound && i < n; i++)
		(void) close(fds[i]);
	if (!sound)
		return -POD_E_PROTOCOL;
	*ret = (struct packet_request){ .number = head.number,
		                        .submission = span_head(rest, head.submission),
		                        .body = span_skip(rest, head.submission),
		                        .submission_fd = inside ? -1 : fds[0],
		                        .body_fd = inside ? -1 : fds[1] };
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
