/*
 * Whole packets between processes of ours, with descriptors: SOCK_SEQPACKET over a unix socket. Pure calls on
 * a descriptor, which never block.
 */
#ifndef POD_NET_SEQPACKET_H
#define POD_NET_SEQPACKET_H

#include "base/err.h"
#include "base/span.h"

#define SEQPACKET_FDS_MAX 4

/* 1: sent; 0: the socket is full, later; -POD_E_UNAVAILABLE. The descriptors stay the caller's. */
int seqpacket_send(int sock, struct span bytes, const int *fds, size_t n_fds);
/*
 * 1: a packet of exactly size bytes with exactly n_fds descriptors, now the caller's; 0: nothing there;
 * -POD_E_UNAVAILABLE at the end, -POD_E_PROTOCOL: another size or number (descriptors are closed).
 */
int seqpacket_receive(int sock, void *bytes, size_t size, int *ret_fds, size_t n_fds);
/* The same where the number depends on the packet: *ret_n_fds at most SEQPACKET_FDS_MAX, further ones are
 * closed. */
int seqpacket_receive_any(int sock, void *bytes, size_t size, int ret_fds[SEQPACKET_FDS_MAX],
                          size_t *ret_n_fds);

/* The same where the length depends, too: *ret_size at most size. */
int seqpacket_receive_some(int sock, void *bytes, size_t size, size_t *ret_size,
                           int ret_fds[SEQPACKET_FDS_MAX], size_t *ret_n_fds);

/* A listening socket at path, 0600. A stale one is replaced. */
int seqpacket_listen(const char *path, int *ret_fd, struct err *err);
/* 0 and a non-blocking descriptor, or -POD_E_UNAVAILABLE. path fits a socket's name. */
int seqpacket_connect(const char *path, int *ret_fd);

#endif
