#include "mta/milter/link.h"

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "net/stream.h"

/* Bytes on their way beyond which a milter that does not answer each step is waited for. */
#define OUTPUT_MARK (256u << 10)

struct milter_link {
	const struct milter_link_ops *ops;
	void *owner;
	struct stream *stream;
	struct milter_limits limits;
	struct event timer; /* connecting, or an answer that is due */
	struct buf packet;  /* the one being handed out */
	bool open;
	bool busy, closed; /* a callback runs; it closed the link */
};

/* ---- addresses ---- */

static int unix_address(struct span path, struct milter_address *a)
{
	struct sockaddr_un *un = (struct sockaddr_un *) &a->ss;

	if (!path.len || path.len >= sizeof(un->sun_path))
		return -POD_E_SYNTAX;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.p, path.len);
	a->len = sizeof(*un);
	return 0;
}

static int inet_address(struct span port_at_host, int family, struct milter_address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *) &a->ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &a->ss;
	struct span host, port = span_split(port_at_host, '@', &host);
	char text[INET6_ADDRSTRLEN];
	uint32_t number;

	if (span_to_u32(port, &number) < 0 || number > UINT16_MAX || host.len >= sizeof(text))
		return -POD_E_SYNTAX;
	if (span_eq(host, SPAN_LIT("localhost")))
		host = family == AF_INET ? SPAN_LIT("127.0.0.1") : SPAN_LIT("::1");
	(void) snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(host));
	a->ss.ss_family = (sa_family_t) family;
	a->len = family == AF_INET ? sizeof(*in) : sizeof(*in6);
	if (family == AF_INET)
		in->sin_port = htons((uint16_t) number);
	else
		in6->sin6_port = htons((uint16_t) number);
	return inet_pton(family, text,
	                 family == AF_INET ? (void *) &in->sin_addr : (void *) &in6->sin6_addr) == 1
	               ? 0
	               : -POD_E_SYNTAX;
}

int milter_address_parse(struct span text, struct milter_address *ret_address, struct err *err)
{
	struct milter_address a = { 0 };
	struct span rest, kind = span_split(text, ':', &rest);
	int r = -POD_E_SYNTAX;

	if (span_eq(kind, SPAN_LIT("unix")) || span_eq(kind, SPAN_LIT("local")))
		r = unix_address(rest, &a);
	else if (span_eq(kind, SPAN_LIT("inet")))
		r = inet_address(rest, AF_INET, &a);
	else if (span_eq(kind, SPAN_LIT("inet6")))
		r = inet_address(rest, AF_INET6, &a);
	if (r < 0)
		return err_set(err, POD_E_SYNTAX,
		               SPAN_FMT ": not a milter's socket (inet:PORT@ADDRESS, unix:/PATH)",
		               SPAN_ARG(text));
	*ret_address = a;
	return 0;
}

/* ---- events ---- */

static void link_free(struct milter_link *l)
{
	(void) event_del(&l->timer);
	buf_done(&l->packet);
	free(l);
}

/* Runs a callback, after which the link may be gone: true where it is not. */
#define CALL(l, callback, ...)                                             \
	__extension__({                                                    \
		bool alive_;                                               \
		(l)->busy = true;                                          \
		(l)->ops->callback((l)->owner __VA_OPT__(, ) __VA_ARGS__); \
		(l)->busy = false;                                         \
		alive_ = !(l)->closed;                                     \
		if (!alive_)                                               \
			link_free(l);                                      \
		alive_;                                                    \
	})

static void lose(struct milter_link *l, const char *why)
{
	(void) event_del(&l->timer);
	l->stream = stream_free(l->stream);
	l->open = false;
	(void) CALL(l, on_lost, why);
}

/* Takes one packet out of the input. 1, 0 where there is none yet, or an error. */
static int take_packet(struct milter_link *l, struct milter_packet *ret)
{
	struct evbuffer *in = stream_input(l->stream);
	uint8_t head[MILTER_LENGTH_SIZE + 1];
	ssize_t n = evbuffer_copyout(in, head, sizeof(head));
	struct milter_packet p;
	size_t used, len;
	int r = milter_packet_take(span_make(head, n > 0 ? (size_t) n : 0), &p, &used);

	if (r < 0)
		return r;
	if (n < (ssize_t) MILTER_LENGTH_SIZE)
		return 0;
	len = MILTER_LENGTH_SIZE +
	      ((size_t) head[0] << 24 | (size_t) head[1] << 16 | (size_t) head[2] << 8 | (size_t) head[3]);
	if (evbuffer_get_length(in) < len)
		return 0;
	buf_clear(&l->packet);
	if (!buf_reserve(&l->packet, len))
		return -POD_E_NOMEM;
	(void) evbuffer_remove(in, l->packet.p, len);
	l->packet.len = len;
	return milter_packet_take(buf_span(&l->packet), ret, &used);
}

static void on_input(void *owner)
{
	struct milter_link *l = owner;
	struct milter_packet p;
	int r;

	while ((r = take_packet(l, &p)) == 1)
		if (!CALL(l, on_packet, &p))
			return;
	if (r < 0)
		lose(l,
		     r == -POD_E_LIMIT ? "it sent a packet that is too long" : "it sent what is no packet");
}

static void on_writable(void *owner)
{
	struct milter_link *l = owner;

	if (l->open) {
		(void) CALL(l, on_room);
		return;
	}
	l->open = true;
	(void) event_del(&l->timer);
	(void) CALL(l, on_open);
}

static void on_end(void *owner, enum stream_end why)
{
	struct milter_link *l = owner;
	char text[128];

	(void) snprintf(text, sizeof(text), "%s%s%s",
	                why == STREAM_EOF       ? "it closed the connection"
	                : why == STREAM_TIMEOUT ? "it does not read what is sent to it"
	                                        : "the connection was lost",
	                why == STREAM_ERROR ? ": " : "",
	                why == STREAM_ERROR ? stream_error_text(l->stream) : "");
	lose(l, text);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct milter_link *l = arg;

	lose(l, l->open ? "it did not answer in time" : "it did not take the connection in time");
}

static const struct stream_ops stream_ops = { .on_input = on_input,
	                                      .on_writable = on_writable,
	                                      .on_end = on_end };

/* ---- the owner's calls ---- */

static void set_timer(struct milter_link *l, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	(void) event_add(&l->timer, &tv);
}

struct milter_link *milter_link_open(struct event_base *base, const struct milter_address *to,
                                     const struct milter_limits *limits, const struct milter_link_ops *ops,
                                     void *owner, struct err *err)
{
	struct milter_link *l = calloc(1, sizeof(*l));

	if (!l) {
		(void) err_set(err, POD_E_NOMEM, "no memory for a connection to a milter");
		return NULL;
	}
	*l = (struct milter_link){ .ops = ops, .owner = owner, .limits = *limits };
	(void) evtimer_assign(&l->timer, base, on_timer, l);
	if (stream_connect(base, (const struct sockaddr *) &to->ss, to->len, &stream_ops, l, &l->stream,
	                   err) < 0) {
		free(l);
		return NULL;
	}
	stream_set_output_mark(l->stream, OUTPUT_MARK);
	stream_set_input_limit(l->stream, MILTER_PACKET_MAX + MILTER_LENGTH_SIZE + 1);
	stream_set_timeouts(l->stream, 0, limits->send_ms);
	set_timer(l, limits->connect_ms);
	return l;
}

void milter_link_give(struct milter_link *l, const struct milter_link_ops *ops, void *owner)
{
	l->ops = ops;
	l->owner = owner;
}

void milter_link_send(struct milter_link *l, struct span packets)
{
	stream_write(l->stream, packets);
}

void milter_link_expect(struct milter_link *l, unsigned int ms)
{
	if (ms)
		set_timer(l, ms);
	else
		(void) event_del(&l->timer);
}

bool milter_link_is_full(const struct milter_link *l)
{
	return stream_is_full(l->stream);
}

struct milter_link *milter_link_close(struct milter_link *l, struct span last)
{
	if (!l)
		return NULL;
	(void) event_del(&l->timer);
	if (l->stream && l->open && last.len) {
		stream_write(l->stream, last);
		stream_finish(l->stream);
	} else {
		l->stream = stream_free(l->stream);
	}
	l->stream = NULL;
	l->closed = true;
	if (!l->busy)
		link_free(l);
	return NULL;
}
