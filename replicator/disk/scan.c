#include "replicator/disk/scan.h"

#include <inttypes.h>

static int read_error(int r, uint64_t lsn, struct err *err)
{
	return err_errno(err, -r, "log: read at LSN %" PRIu64, lsn);
}

/* 1: a whole record stands at p; 0: none does. */
static int record_at(const struct scan_input *in, const struct position *p, struct record *ret,
                     struct err *err)
{
	const uint8_t *bytes;
	int r;

	if (p->lsn + RECORD_HEADER_SIZE > in->limit)
		return 0;
	r = in->bytes(in->arg, p->lsn, RECORD_HEADER_SIZE, &bytes);
	if (r < 0)
		return read_error(r, p->lsn, err);
	r = record_decode(bytes, p->lsn, p->previous_crc, p->size_bytes, ret, err);
	if (r < 0)
		return r == -POD_E_NOTFOUND ? 0 : err_wrap(err, r, "log");
	if (ret->epoch != p->epoch + 1)
		return err_set(err, POD_E_CORRUPT,
		               "log: epoch %" PRIu64 " behind epoch %" PRIu64 " at LSN %" PRIu64, ret->epoch,
		               p->epoch, p->lsn);
	if (record_next(ret) > in->limit)
		return 0;
	if (ret->payload_size == 0)
		return 1;
	if (ret->flags & RECORD_ALIGNED) {
		r = in->bytes(in->arg, p->lsn, RECORD_NOTE_SIZE, &bytes);
		if (r < 0)
			return read_error(r, p->lsn, err);
		if (record_is_noted(ret, bytes)) {
			if (in->placed)
				in->placed(in->arg, ret);
			return 1;
		}
	}
	r = in->bytes(in->arg, record_data(ret), ret->payload_size, &bytes);
	if (r < 0)
		return read_error(r, p->lsn, err);
	return record_hash(bytes, ret->payload_size) == ret->payload_hash;
}

static int look_for_damage(const struct scan_input *in, const struct scan_result *s, struct err *err)
{
	bool in_group = s->end.lsn >= in->group_from && s->end.lsn < in->group_to;
	uint64_t at = (s->end.lsn + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;

	if (in_group && at < in->group_to)
		at = in->group_to;
	for (; at + RECORD_ALIGN <= in->limit; at += RECORD_ALIGN) {
		const uint8_t *bytes;
		uint64_t epoch;
		int r = in->bytes(in->arg, at, RECORD_HEADER_SIZE, &bytes);

		if (r < 0)
			return read_error(r, at, err);
		if (record_stands(bytes, at, &epoch) && epoch > s->committed.epoch + 1)
			return err_set(err, POD_E_CORRUPT,
			               "log: damaged at LSN %" PRIu64 " in epoch %" PRIu64
			               ", although epoch %" PRIu64 " stands at LSN %" PRIu64
			               "; this replica must not be used: make it anew from another, or from "
			               "a backup",
			               s->end.lsn, s->committed.epoch + 1, epoch, at);
	}
	return 0;
}

int scan_log(const struct scan_input *in, const struct position *from, struct scan_result *ret,
             struct err *err)
{
	struct scan_result s = { .committed = *from, .end = *from };
	struct record rec;
	int r;

	while ((r = record_at(in, &s.end, &rec, err)) > 0) {
		position_pass(&s.end, &rec);
		if (rec.type == RECORD_COMMIT)
			s.committed = s.end;
	}
	if (r == 0)
		r = look_for_damage(in, &s, err);
	if (r == 0)
		*ret = s;
	return r;
}
