#include "replicator/attach/export.h"

#include <errno.h>
#include <libnbd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void handle_closep(struct nbd_handle **h)
{
	nbd_close(*h); /* NULL is fine */
}

static int from_libnbd(const struct attach_options *o, struct err *err)
{
	const char *why = nbd_get_error();
	enum pod_error code = nbd_get_errno() == ENOENT ? POD_E_NOTFOUND : POD_E_UNAVAILABLE;

	return err_set(err, code, "export \"%s\" at %s: %s", o->export_name, o->socket,
	               why ? why : "no connection");
}

static int start_connecting(struct nbd_handle *h, const struct attach_options *o, struct err *err)
{
	/* Plain replies: nothing that we ask for has an answer in parts, and the kernel's client knows no
	 * others. */
	if (nbd_set_export_name(h, o->export_name) < 0 || nbd_set_request_structured_replies(h, false) < 0 ||
	    nbd_set_pread_initialize(h, false) < 0 || nbd_aio_connect_unix(h, o->socket) < 0)
		return from_libnbd(o, err);
	return 0;
}

static int finish_connecting(struct nbd_handle *h, const struct attach_options *o, unsigned int limit_ms,
                             struct err *err)
{
	uint64_t deadline = clock_mono_ms() + limit_ms, now;

	while (nbd_aio_is_connecting(h)) {
		now = clock_mono_ms();
		if (now >= deadline)
			return err_set(err, POD_E_TIMEOUT, "export \"%s\" at %s: no answer in %u ms",
			               o->export_name, o->socket, limit_ms);
		if (nbd_poll(h, (int) (deadline - now)) < 0)
			return from_libnbd(o, err);
	}
	return nbd_aio_is_ready(h) ? 0 : from_libnbd(o, err);
}

static int learn(struct nbd_handle *h, struct export_info *info)
{
	int64_t size = nbd_get_size(h);

	if (size < 0)
		return -1;
	*info = (struct export_info){
		.size_bytes = (uint64_t) size,
		.read_only = nbd_is_read_only(h) == 1,
		.can_flush = nbd_can_flush(h) == 1,
		.can_fua = nbd_can_fua(h) == 1,
		.can_trim = nbd_can_trim(h) == 1,
		.can_zero = nbd_can_zero(h) == 1,
		.rotational = nbd_is_rotational(h) == 1,
		.multi_conn = nbd_can_multi_conn(h) == 1,
	};
	return 0;
}

/* 0 where the server said nothing about a size. */
static bool block_sizes_fit(struct nbd_handle *h)
{
	int64_t least = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

	return (least <= 0 || EXPORT_BLOCK_SIZE % (uint64_t) least == 0) &&
	       (most <= 0 || (uint64_t) most >= EXPORT_REQUEST_MAX);
}

static int check(struct nbd_handle *h, const struct export_info *info, const struct attach_options *o,
                 struct err *err)
{
	if (info->size_bytes == 0 || info->size_bytes % EXPORT_BLOCK_SIZE != 0 || !block_sizes_fit(h))
		return err_set(err, POD_E_UNSUPPORTED, "export \"%s\" is not made of blocks of %u bytes",
		               o->export_name, EXPORT_BLOCK_SIZE);
	if (info->read_only && !o->read_only)
		return err_set(err, POD_E_DENIED, "export \"%s\" is read-only", o->export_name);
	if (!info->read_only && !info->can_flush)
		return err_set(err, POD_E_UNSUPPORTED, "export \"%s\" cannot flush", o->export_name);
	return 0;
}

int export_connect(const struct attach_options *o, unsigned int limit_ms, struct nbd_handle **ret,
                   struct export_info *ret_info, struct err *err)
{
	_cleanup_(handle_closep) struct nbd_handle *h = nbd_create();
	struct export_info info;
	int r;

	if (!h)
		return err_set(err, POD_E_NOMEM, "no memory for an NBD connection");
	r = start_connecting(h, o, err);
	if (r == 0)
		r = finish_connecting(h, o, limit_ms, err);
	if (r == 0 && learn(h, &info) < 0)
		r = from_libnbd(o, err);
	if (r == 0)
		r = check(h, &info, o, err);
	if (r < 0)
		return r;
	*ret_info = info;
	*ret = take_ptr(h);
	return 0;
}
