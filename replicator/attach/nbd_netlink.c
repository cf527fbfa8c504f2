#include "replicator/attach/nbd_netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "replicator/attach/run_program.h"

#define MESSAGE_SIZE 8192u

struct nbd_netlink {
	struct mnl_socket *socket;
	uint32_t port, sequence;
	uint16_t family;
	_Alignas(struct nlmsghdr) char message[MESSAGE_SIZE];
};

/* ---- one request, one answer ------------------------------------------------------------------------ */

static struct nlmsghdr *begin(struct nbd_netlink *nl, uint16_t family, uint8_t command, uint8_t version)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(nl->message);
	struct genlmsghdr *g;

	h->nlmsg_type = family;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = ++nl->sequence;
	g = (struct genlmsghdr *) mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = command;
	g->version = version;
	return h;
}

/* Sends, and reads until the acknowledgement; on_message sees what comes before it. -1: errno. */
static int ask(struct nbd_netlink *nl, struct nlmsghdr *h, mnl_cb_t on_message, void *arg)
{
	ssize_t n;
	int r = 1;

	if (mnl_socket_sendto(nl->socket, h, h->nlmsg_len) < 0)
		return -1;
	while (r > 0) {
		n = mnl_socket_recvfrom(nl->socket, nl->message, sizeof(nl->message));
		if (n < 0)
			return -1;
		r = mnl_cb_run(nl->message, (size_t) n, nl->sequence, nl->port, on_message, arg);
	}
	return r;
}

static int ignore(const struct nlmsghdr *h, void *arg)
{
	(void) h;
	(void) arg;
	return MNL_CB_OK;
}

struct wanted {
	uint16_t type;
	enum mnl_attr_data_type data;
	const struct nlattr *found;
	uint32_t value;
};

static int on_attribute(const struct nlattr *a, void *arg)
{
	struct wanted *w = (struct wanted *) arg;

	if (mnl_attr_get_type(a) == w->type && mnl_attr_validate(a, w->data) == 0) {
		w->found = a;
		w->value = w->data == MNL_TYPE_U16 ? mnl_attr_get_u16(a) : mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

static int on_message_with(const struct nlmsghdr *h, void *arg)
{
	return mnl_attr_parse(h, sizeof(struct genlmsghdr), on_attribute, arg) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* ---- the family -------------------------------------------------------------------------------------- */

static int find_family(struct nbd_netlink *nl)
{
	struct wanted id = { .type = CTRL_ATTR_FAMILY_ID, .data = MNL_TYPE_U16 };
	struct nlmsghdr *h = begin(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME);
	if (ask(nl, h, on_message_with, &id) < 0 || !id.found)
		return -1;
	nl->family = (uint16_t) id.value;
	return 0;
}

static int open_socket(struct nbd_netlink *nl)
{
	nl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	nl->port = mnl_socket_get_portid(nl->socket);
	nl->sequence = (uint32_t) time(NULL);
	return 0;
}

static void free_netlinkp(struct nbd_netlink **nl)
{
	(void) nbd_netlink_free(*nl);
}

int nbd_netlink_open(struct nbd_netlink **ret, struct err *err)
{
	static const char *const modprobe[] = { "modprobe", "-q", "nbd", NULL };
	_cleanup_(free_netlinkp) struct nbd_netlink *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return err_set(err, POD_E_NOMEM, "no memory for netlink");
	if (open_socket(nl) < 0)
		return err_set(err, POD_E_UNSUPPORTED, "no generic netlink");
	/* Without the program, or without the module, the second look says so. */
	if (find_family(nl) < 0 && (run_program(modprobe, NULL) < 0 || find_family(nl) < 0))
		return err_set(err, POD_E_UNSUPPORTED, "the kernel has no nbd");
	*ret = take_ptr(nl);
	return 0;
}

struct nbd_netlink *nbd_netlink_free(struct nbd_netlink *nl)
{
	if (nl && nl->socket)
		(void) mnl_socket_close(nl->socket);
	free(nl);
	return NULL;
}

/* ---- devices ----------------------------------------------------------------------------------------- */

/* The server's transmission flags, as the kernel knows them from the wire. */
static uint64_t server_flags(const struct export_info *info)
{
	return NBD_FLAG_HAS_FLAGS | (info->read_only ? NBD_FLAG_READ_ONLY : 0) |
	       (info->can_flush ? NBD_FLAG_SEND_FLUSH : 0) | (info->can_fua ? NBD_FLAG_SEND_FUA : 0) |
	       (info->can_trim ? NBD_FLAG_SEND_TRIM : 0);
}

/*
 * One socket, although a server may allow several. With several the kernel moves a request that is slow to
 * another socket while the server may still be working on it; with one it waits (TIMEOUT 0) until the socket
 * is replaced.
 */
static void put_socket(struct nlmsghdr *h, int socket)
{
	struct nlattr *all = mnl_attr_nest_start(h, NBD_ATTR_SOCKETS);
	struct nlattr *item = mnl_attr_nest_start(h, NBD_SOCK_ITEM);

	mnl_attr_put_u32(h, NBD_SOCK_FD, (uint32_t) socket);
	mnl_attr_nest_end(h, item);
	mnl_attr_nest_end(h, all);
}

static void put_device(struct nlmsghdr *h, int socket, const struct export_info *info,
                       uint64_t dead_timeout_s)
{
	mnl_attr_put_u64(h, NBD_ATTR_SIZE_BYTES, info->size_bytes);
	mnl_attr_put_u64(h, NBD_ATTR_BLOCK_SIZE_BYTES, EXPORT_BLOCK_SIZE);
	mnl_attr_put_u64(h, NBD_ATTR_DEAD_CONN_TIMEOUT, dead_timeout_s);
	put_socket(h, socket);
}

int nbd_netlink_connect(struct nbd_netlink *nl, int socket, const struct export_info *info,
                        uint64_t dead_timeout_s, uint32_t *ret_index, struct err *err)
{
	struct wanted index = { .type = NBD_ATTR_INDEX, .data = MNL_TYPE_U32 };
	struct nlmsghdr *h = begin(nl, nl->family, NBD_CMD_CONNECT, NBD_GENL_VERSION);

	put_device(h, socket, info, dead_timeout_s);
	mnl_attr_put_u64(h, NBD_ATTR_TIMEOUT, 0);
	mnl_attr_put_u64(h, NBD_ATTR_SERVER_FLAGS, server_flags(info));
	mnl_attr_put_u64(h, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DISCONNECT_ON_CLOSE);
	if (ask(nl, h, on_message_with, &index) < 0)
		return err_errno(err, errno, "NBD_CMD_CONNECT");
	if (!index.found)
		return err_set(err, POD_E_PROTOCOL,
		               "NBD_CMD_CONNECT was answered without the device's number");
	*ret_index = index.value;
	return 0;
}

int nbd_netlink_reconnect(struct nbd_netlink *nl, uint32_t index, int socket, const struct export_info *info,
                          uint64_t dead_timeout_s, struct err *err)
{
	struct nlmsghdr *h = begin(nl, nl->family, NBD_CMD_RECONFIGURE, NBD_GENL_VERSION);

	/* Without NBD_ATTR_TIMEOUT: said again, it would set the queue's io_timeout back to half a minute. */
	mnl_attr_put_u32(h, NBD_ATTR_INDEX, index);
	mnl_attr_put_u64(h, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DISCONNECT_ON_CLOSE);
	put_device(h, socket, info, dead_timeout_s);
	return ask(nl, h, ignore, NULL) < 0 ? err_errno(err, errno, "NBD_CMD_RECONFIGURE") : 0;
}

int nbd_netlink_disconnect(struct nbd_netlink *nl, uint32_t index, struct err *err)
{
	struct nlmsghdr *h = begin(nl, nl->family, NBD_CMD_DISCONNECT, NBD_GENL_VERSION);

	mnl_attr_put_u32(h, NBD_ATTR_INDEX, index);
	return ask(nl, h, ignore, NULL) < 0 ? err_errno(err, errno, "NBD_CMD_DISCONNECT") : 0;
}
