#include "mta/outbound/body.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "smtp/stuff.h"
#include "mta/outbound/mail_name.h"
#include "mta/outbound/seven_bit.h"

static struct span header_of(struct span message)
{
	size_t end = span_find(message, SPAN_LIT("\r\n\r\n"));

	return end == SIZE_MAX ? message : span_head(message, end);
}

/* RFC 8689 5: the field's one value is "No". Two of them are none. */
static bool waives_tls(struct span header)
{
	static const struct span name = SPAN_LIT("TLS-Required:");
	unsigned int fields = 0, waived = 0;

	while (header.p) {
		struct span line = span_split(header, '\n', &header);

		if (!span_starts_nocase(line, name))
			continue;
		fields++;
		waived += span_eq_nocase(span_trim(span_skip(line, name.len)), SPAN_LIT("No"));
	}
	return fields == 1 && waived == 1;
}

static int map(int fd, uint64_t size, struct span *ret, struct err *err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "looking at a message");
	if (st.st_size < 0 || (uint64_t) st.st_size < size)
		return err_set(err, POD_E_CORRUPT, "the message's file is shorter than it should be");
	if (size == 0) {
		*ret = SPAN_NONE;
		return 0;
	}
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_errno(err, errno, "mapping a message");
	*ret = span_make(p, size);
	return 0;
}

static void look_at(struct body *b)
{
	b->tls_optional = waives_tls(header_of(b->bytes));
	b->eight_bit = !mail_name_is_ascii(b->bytes);
	b->header_eight_bit = b->eight_bit && !mail_name_is_ascii(header_of(b->bytes));
	b->plain =
		b->bytes.len > 0 && b->bytes.p[b->bytes.len - 1] == '\n' && smtp_stuff_is_needless(b->bytes);
}

int body_open(int fd, uint64_t size, struct body *ret_body, struct err *err)
{
	struct body b = { .fd = fd };
	int r = map(fd, size, &b.bytes, err);

	if (r < 0) {
		closep(&fd);
		return r;
	}
	look_at(&b);
	*ret_body = b;
	return 0;
}

int body_copy(struct span bytes, uint64_t size, struct body *ret_body, struct err *err)
{
	struct body b = { .fd = -1 };

	if (bytes.len != size)
		return err_set(err, POD_E_CORRUPT, "the message is not as long as it should be");
	b.copy = malloc(bytes.len + 1);
	if (!b.copy)
		return err_set(err, POD_E_NOMEM, "no memory for a message");
	if (bytes.len)
		memcpy(b.copy, bytes.p, bytes.len);
	b.bytes = span_make(b.copy, bytes.len);
	look_at(&b);
	*ret_body = b;
	return 0;
}

int body_encode(const struct body *b, struct body *ret_body, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct body encoded = { .fd = -1, .tls_optional = b->tls_optional };
	int r = seven_bit_encode(b->bytes, &out, err);

	if (r < 0)
		return r;
	encoded.copy = out.p;
	encoded.bytes = buf_span(&out);
	out = BUF_INIT;
	look_at(&encoded);
	*ret_body = encoded;
	return 0;
}

static bool write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n <= 0 && errno != EINTR)
			return false;
		bytes = span_skip(bytes, n > 0 ? (size_t) n : 0);
	}
	return true;
}

int body_prepend(struct body *b, struct span fields, struct err *err)
{
	struct body longer;
	int r, fd = fields.len ? memfd_create("signed", MFD_CLOEXEC) : -1;

	if (!fields.len)
		return 0;
	if (fd < 0 || !write_all(fd, fields) || !write_all(fd, b->bytes)) {
		closep(&fd);
		return err_set(err, POD_E_NOMEM, "no memory for a signed message");
	}
	r = body_open(fd, fields.len + b->bytes.len, &longer, err);
	if (r < 0)
		return r;
	body_close(b);
	*b = longer;
	return 0;
}

void body_close(struct body *b)
{
	if (b->copy)
		free(b->copy);
	else if (b->bytes.p)
		(void) munmap((void *) (uintptr_t) b->bytes.p, b->bytes.len);
	closep(&b->fd);
	*b = (struct body){ .fd = -1 };
}
