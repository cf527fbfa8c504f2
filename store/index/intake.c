#include "store/index/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fnv.h"
#include "store/maildir/body.h"

#define BLOCK 65536

/* 1: every line ends in CRLF. */
static int has_crlf(int fd, struct err *err)
{
	_cleanup_(freep) uint8_t *buf = malloc(BLOCK);
	uint8_t last = 0;
	off_t off = 0;

	if (!buf)
		return err_set(err, POD_E_NOMEM, "read a message");
	for (;;) {
		ssize_t n = pread(fd, buf, BLOCK, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read a message");
		if (n == 0)
			return 1;
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\n' && last != '\r')
				return 0;
			last = buf[i];
		}
		off += n;
	}
}

/* 48 bits of time first, as all ids have (base/id.h), so that pruning works. */
struct guid intake_id(const char *path, const struct scanned_file *f)
{
	uint64_t ms = (uint64_t) f->mtime * 1000, h, h2;
	struct guid id;

	h = fnv64(FNV64_START, span_of(path));
	h = fnv64(h, span_make(&f->inode, sizeof(f->inode)));
	h2 = fnv64(h, span_make(&f->size, sizeof(f->size)));
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t) (ms >> (40 - 8 * i));
	memcpy(id.b + 6, &h, 8);
	memcpy(id.b + 14, &h2, 2);
	return id;
}

/* Maildir names begin with the time of delivery; where one does not, the file has its own. */
int64_t intake_date(const struct scanned_file *f)
{
	uint64_t t;

	if (f->ours)
		return f->n.time;
	return span_to_u64(span_split(span_of(f->name), '.', &(struct span){ 0 }), &t) == 0 && t > 0 && t <= UINT32_MAX ?
	               (int64_t) t :
	               f->mtime;
}

int intake_open(int dir, int staging, const char *path, const struct scanned_file *f, struct parser *p, struct arena *a,
                struct intake *ret, bool *ret_unparsed, struct err *err)
{
	_cleanup_(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct intake in = { .body = { -1, f->size }, .internal_date = intake_date(f), .id = intake_id(path, f) };
	struct parsed parsed = { 0 };
	int r;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	r = has_crlf(fd, err);
	if (r == 0)
		r = body_stage_crlf(staging, fd, &in.body.fd, &in.body.size, err);
	else if (r == 1)
		in.body.fd = take_fd(&fd);
	if (r < 0)
		return r;
	*ret_unparsed = parser_run(p, in.body.fd, a, &parsed, NULL) < 0;
	in.summary = (struct volume_summary){ parsed.envelope, parsed.bodystructure, parsed.parts, parsed.headers };
	*ret = in;
	return 0;
}

void intake_done(struct intake *in)
{
	volume_body_done(&in->body);
}

int volume_parse_file(int fd, struct arena *a, struct volume_summary *ret, struct err *err)
{
	struct parser *p = parser_create();
	struct parsed parsed;
	int r = p ? parser_run(p, fd, a, &parsed, err) : err_set(err, POD_E_NOMEM, "parser");

	(void) parser_free(p);
	if (r == 0)
		*ret = (struct volume_summary){ parsed.envelope, parsed.bodystructure, parsed.parts, parsed.headers };
	return r;
}
