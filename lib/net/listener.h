/*
 * Listening sockets. The parent opens them (it may be root and must outlive its workers, so that nobody is
 * refused while one restarts); a worker takes the descriptor onto its event_base and gets connections.
 */
#ifndef POD_NET_LISTENER_H
#define POD_NET_LISTENER_H

#include <event2/event.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/span.h"

/* "127.0.0.1:25", "[::1]:25", "*:25" (every address, IPv4 and IPv6) or "unix:/path". */
struct net_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

int net_addr_parse(struct span text, struct net_addr *ret_addr, struct err *err);
/* As net_addr_parse takes it; buf holds NET_ADDR_TEXT_SIZE. Returns buf. net_addr_host leaves the port out.
 */
#define NET_ADDR_TEXT_SIZE 128
char *net_addr_format(const struct net_addr *addr, char *buf, size_t size);
char *net_addr_host(const struct net_addr *addr, char *buf, size_t size);
/*
 * The network of so many bits that it belongs to, "192.0.2.0/24"; "local" for a unix socket. buf holds
 * NET_ADDR_TEXT_SIZE. Returns buf.
 */
char *net_addr_network(const struct net_addr *addr, unsigned int bits4, unsigned int bits6, char *buf, size_t size);
uint16_t net_addr_port(const struct net_addr *addr);
/* 127.0.0.0/8, ::1, ::ffff:127.x and unix sockets. */
bool net_addr_is_loopback(const struct net_addr *addr);
/* A client of IPv4 on a socket for both families (::ffff:192.0.2.1) becomes one of IPv4. */
void net_addr_unmap(struct net_addr *addr);

/* Networks, "127.0.0.1, 10.0.0.0/8, ::1": who is trusted to send a PROXY header. */
struct net_set;
int net_set_parse(struct span text, struct net_set **ret_set, struct err *err);
bool net_set_has(const struct net_set *set, const struct net_addr *addr);
struct net_set *net_set_free(struct net_set *set);

#define LISTEN_REUSEPORT 1u
/* A bound, listening, non-blocking, close-on-exec socket. A stale unix socket file is replaced; its mode is
 * by umask. */
int listener_open(const struct net_addr *addr, unsigned int flags, int *ret_fd, struct err *err);
/*
 * The same at a path, whose socket has this mode, and takes the place of one there: children of a parent that was killed may
 * hold that for a moment yet, and serve nobody any more.
 */
int listener_open_local(const char *path, mode_t mode, int *ret_fd, struct err *err);

struct accepted {
	int fd;               /* non-blocking, TCP_NODELAY set; the callee owns it */
	struct net_addr peer; /* the client: of the PROXY header where one was taken */
	struct net_addr local;
};

typedef void listener_accept_fn(void *arg, const struct accepted *conn);

struct listener;
/*
 * Accepts on fd (which it then owns) from base's thread. Where proxy_from is not NULL, a connection from a
 * trusted address must begin with a PROXY header v1 or v2 (proxy protocol specification 2.1, 2.2), others
 * are served without; a bad or late (5 s) header closes the connection.
 */
int listener_create(struct event_base *base, int fd, const struct net_set *proxy_from,
                    listener_accept_fn *on_accept, void *arg, struct listener **ret_listener,
                    struct err *err);
void listener_pause(struct listener *l); /* stops accepting; the kernel queues */
void listener_resume(struct listener *l);
struct listener *listener_free(struct listener *l);

/* Told where accept(2) fails for want of descriptors or memory; accepting starts again by itself shortly
 * after. */
typedef void listener_trouble_fn(void *arg, const struct err *err);
void listener_set_trouble(struct listener *l, listener_trouble_fn *on_trouble);

/* The longest header taken: addresses and a few hundred bytes of TLVs. */
#define PROXY_HEADER_MAX 2048
/*
 * Parses a PROXY header at the start of in. Returns its length and fills *ret_peer and *ret_local (from the
 * header; untouched for LOCAL and UNKNOWN), 0 where more bytes are needed, -POD_E_SYNTAX where it is none.
 */
int proxy_header_parse(struct span in, struct net_addr *ret_peer, struct net_addr *ret_local);

/*
 * Reads a header off a non-blocking socket as far as it is there. What follows the header belongs to the protocol above and
 * stays in the socket. Begins as zeros. Returns the header's length once it is complete, 0 to wait until the socket
 * is readable, negative to give up.
 */
struct proxy_header {
	size_t have;
	uint8_t bytes[PROXY_HEADER_MAX];
};
int proxy_header_read(struct proxy_header *h, int fd, struct net_addr *ret_peer, struct net_addr *ret_local);

#endif
