#include "imapd/eas/sync/ping.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "imapd/eas/state/uidset.h"
#include "imapd/eas/sync/shape.h"

#define FORMAT 1
#define ID_MAX 64u

static const struct eas_shape_row rows[] = {
	/* clang-format off */
	{ PING_PING,    PING_HEARTBEATINTERVAL, EAS_SHAPE_NUMBER, 1, 0 },
	{ PING_PING,    PING_FOLDERS,           EAS_SHAPE_PARENT, 1, 0 },
	{ PING_FOLDERS, PING_FOLDER,            EAS_SHAPE_PARENT, EAS_SHAPE_MANY, 0 },
	{ PING_FOLDER,  PING_ID,                EAS_SHAPE_TEXT,   1, 0 },
	{ PING_FOLDER,  PING_CLASS,             EAS_SHAPE_TEXT,   1, 0 },
	/* clang-format on */
};

static bool has(const struct eas_ping *p, const char *id)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->ids[i], id) == 0)
			return true;
	return false;
}

static int read_folders(const struct wbxml_node *list, struct arena *a, struct eas_ping *p)
{
	p->ids = arena_array(a, EAS_PING_FOLDERS_MAX + 1, sizeof(*p->ids));
	if (!p->ids)
		return -POD_E_NOMEM;
	/* One too many says that there are too many. */
	for (const struct wbxml_node *f = wbxml_child(list, PING_FOLDER); f && p->n <= EAS_PING_FOLDERS_MAX;
	     f = wbxml_again(f)) {
		struct span id = wbxml_child_text(f, PING_ID);
		const char *copy = arena_str(a, id);

		if (id.len == 0 || id.len > ID_MAX)
			return -POD_E_SYNTAX;
		if (!copy)
			return -POD_E_NOMEM;
		if (!has(p, copy))
			p->ids[p->n++] = copy;
	}
	return p->n ? 0 : -POD_E_SYNTAX;
}

int eas_ping_read(const struct wbxml_node *body, struct arena *a, struct eas_ping *ret_ping)
{
	const struct wbxml_node *folders = wbxml_child(body, PING_FOLDERS);
	struct eas_ping p = { 0 };
	uint64_t interval = 0;
	int r = 0;

	if (body && !eas_shape_fits(body, rows, ARRAY_SIZE(rows)))
		return -POD_E_SYNTAX;
	if (body && wbxml_child_uint(body, PING_HEARTBEATINTERVAL, UINT64_MAX, &interval) > 0)
		/* Said and 0 is too short, as 1 is. */
		p.interval_s = interval == 0           ? 1
		               : interval > UINT32_MAX ? UINT32_MAX
		                                       : (unsigned int) interval;
	if (folders)
		r = read_folders(folders, a, &p);
	if (r == 0)
		*ret_ping = p;
	return r;
}

unsigned int eas_ping_complete(struct eas_ping *p, const struct eas_ping *last, unsigned int *ret_limit)
{
	if (p->interval_s == 0)
		p->interval_s = last->interval_s;
	if (p->n == 0) {
		p->ids = last->ids;
		p->n = last->n;
	}
	if (p->interval_s == 0 || p->n == 0)
		return EAS_PING_MISSING;
	if (p->interval_s < EAS_PING_MIN || p->interval_s > EAS_PING_MAX) {
		*ret_limit = p->interval_s < EAS_PING_MIN ? EAS_PING_MIN : EAS_PING_MAX;
		return EAS_PING_INTERVAL;
	}
	if (p->n > EAS_PING_FOLDERS_MAX) {
		*ret_limit = EAS_PING_FOLDERS_MAX;
		return EAS_PING_TOO_MANY;
	}
	return 0;
}

void eas_ping_encode(const struct eas_ping *p, struct buf *out)
{
	buf_add_byte(out, FORMAT);
	eas_put_number(out, p->interval_s);
	eas_put_number(out, p->n);
	for (size_t i = 0; i < p->n; i++) {
		eas_put_number(out, strlen(p->ids[i]));
		buf_add_str(out, p->ids[i]);
	}
}

static int take_id(struct span *in, struct arena *a, const char **ret)
{
	uint64_t len;
	int r = eas_take_number(in, &len);

	if (r < 0 || len > ID_MAX || len > in->len)
		return -POD_E_CORRUPT;
	*ret = arena_str(a, span_head(*in, len));
	*in = span_skip(*in, len);
	return *ret ? 0 : -POD_E_NOMEM;
}

int eas_ping_decode(struct span bytes, struct arena *a, struct eas_ping *ret_ping)
{
	struct span in = span_skip(bytes, 1);
	struct eas_ping p = { 0 };
	uint64_t interval = 0, n = 0;
	int r = bytes.len && bytes.p[0] == FORMAT ? eas_take_number(&in, &interval) : -POD_E_CORRUPT;

	if (r == 0)
		r = eas_take_number(&in, &n);
	if (r < 0 || interval > EAS_PING_MAX || n > EAS_PING_FOLDERS_MAX)
		return -POD_E_CORRUPT;
	p.interval_s = (unsigned int) interval;
	p.ids = arena_array(a, n + 1, sizeof(*p.ids));
	if (!p.ids)
		return -POD_E_NOMEM;
	for (; r == 0 && p.n < n; p.n++)
		r = take_id(&in, a, &p.ids[p.n]);
	if (r == 0 && in.len)
		r = -POD_E_CORRUPT;
	if (r == 0)
		*ret_ping = p;
	return r;
}
