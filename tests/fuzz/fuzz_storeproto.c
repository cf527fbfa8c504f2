/*
 * The store's end of the protocol: the input is what a peer that has said hello sends next. Every request is
 * answered with an error, so that streams open and end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/span.h"
#include "storeproto/frame.h"
#include "storeproto/server.h"

#define INPUT_MAX (64u << 10) /* fits the socket's buffer, so that one write does not wait */

static bool gone;

static void on_request(void *arg, struct store_request *rq)
{
	store_request_fail(rq, POD_E_UNSUPPORTED, NULL);
}

static void on_more(void *arg, struct store_request *rq, const ProtobufCMessage *message)
{
}

static void on_cancel(void *arg, struct store_request *rq)
{
}

static void on_peer_gone(void *arg, struct store_peer *peer)
{
	gone = true;
}

static struct sockaddr_un address(socklen_t *ret_len)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	/* Of the abstract namespace: nothing to clean up. */
	*ret_len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 +
	                        (size_t) snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "podmail-fuzz-%d", getpid()));
	return sun;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct event_base *server_start(void)
{
	struct event_base *base = event_base_new();
	struct store_server *s;
	struct store_server_options o = {
		.base = base,
		.volume = "v",
		.volume_id = "v",
		.uid_mta = getuid(),
		.on_request = on_request,
		.on_more = on_more,
		.on_cancel = on_cancel,
		.on_peer_gone = on_peer_gone,
	};
	socklen_t len;
	struct sockaddr_un sun = address(&len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	must(bind(fd, (struct sockaddr *) &sun, len) == 0 && listen(fd, 8) == 0);
	must(store_server_create(&o, &s, NULL) == 0 && store_server_listen(s, fd, NULL, NULL) == 0);
	return base;
}

static void say_hello(int fd)
{
	Podstore__Hello m = PODSTORE__HELLO__INIT;
	uint8_t bytes[128];
	struct frame_header h = { .stream = 1, .method = STORE_HELLO, .kind = FRAME_REQUEST };

	m.version = STORE_PROTOCOL_VERSION;
	m.role = (char *) (uintptr_t) "mta";
	m.volume = (char *) (uintptr_t) "v";
	h.length = h.message = (uint32_t) protobuf_c_message_pack(&m.base, bytes + FRAME_HEADER_SIZE);
	frame_header_encode(&h, bytes);
	must(write(fd, bytes, FRAME_HEADER_SIZE + h.length) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct event_base *base;
	socklen_t sun_len;
	struct sockaddr_un sun = address(&sun_len);
	int fd;

	if (len > INPUT_MAX)
		return 0;
	if (!base)
		base = server_start();
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	must(connect(fd, (struct sockaddr *) &sun, sun_len) == 0);
	say_hello(fd);
	must(len == 0 || send(fd, data, len, MSG_NOSIGNAL) == (ssize_t) len);
	(void) shutdown(fd, SHUT_WR);
	for (gone = false; !gone;)
		(void) event_base_loop(base, EVLOOP_ONCE);
	(void) close(fd);
	return 0;
}
