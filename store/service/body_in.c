#include "store/service/body_in.h"

#include <sys/stat.h>

bool body_in_is_held(const struct task *t)
{
	return store_request_fd(t->rq) < 0 && store_request_blob(t->rq).len <= VOLUME_BODY_HELD_MAX;
}

int body_in_stage(struct task *t, uint64_t size, struct span header, struct volume_body *ret_body, struct err *err)
{
	int fd = store_request_fd(t->rq);
	struct span blob = store_request_blob(t->rq);
	struct stat st;

	if (fd < 0) {
		if (blob.len != size)
			return err_set(err, POD_E_PROTOCOL, "a body of %zu bytes, announced with %llu", blob.len,
			               (unsigned long long) size);
		if (!body_in_is_held(t))
			return volume_stage_body(t->svc->vol, header, blob, -1, 0, ret_body, err);
		*ret_body = volume_hold_body(header, blob); /* the request has both until its answer */
		return 0;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t) st.st_size < size)
		return err_set(err, POD_E_PROTOCOL, "the descriptor of a body is not that of a file of %llu bytes",
		               (unsigned long long) size);
	return volume_stage_body(t->svc->vol, header, SPAN_NONE, fd, size, ret_body, err);
}
