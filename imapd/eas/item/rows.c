#include "imapd/eas/item/rows.h"

#include "imapd/eas/eas.h"

static void fetch_init(Podstore__Fetch *fetch, Podstore__UidRange *range, Podstore__UidRange **ranges,
                       uint32_t mailbox, uint32_t columns)
{
	podstore__fetch__init(fetch);
	ranges[0] = range;
	fetch->mailbox = mailbox;
	fetch->n_uids = 1;
	fetch->uids = ranges;
	fetch->columns = columns;
}

struct each {
	eas_rows_fn *on_rows;
	void *arg;
	bool enough;
};

static void on_part(void *arg, const struct store_reply *part)
{
	struct each *e = arg;

	if (!e->enough && part->message)
		e->enough = !e->on_rows(e->arg, (const Podstore__Rows *) part->message);
}

int eas_rows_each(struct eas_request *rq, struct arena *a, uint32_t mailbox, uint32_t first, uint32_t last,
                  uint32_t columns, eas_rows_fn *on_rows, void *arg, struct err *err)
{
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges[1];
	struct each e = { .on_rows = on_rows, .arg = arg };
	Podstore__Fetch fetch;

	range.first = first;
	range.last = last;
	fetch_init(&fetch, &range, ranges, mailbox, columns);
	return account_call_parts(rq->account, a, STORE_FETCH, &fetch.base, on_part, &e, err);
}

/* ---- one ---- */

struct one {
	struct arena *a;
	const Podstore__Rows *rows;
	int failed;
};

/* A frame lives only during the call: the row is packed and unpacked into the arena. */
static void *arena_allocate(void *a, size_t size)
{
	return arena_alloc(a, size);
}

static void arena_leave(void *a, void *p)
{
}

static bool keep_row(void *arg, const Podstore__Rows *rows)
{
	struct one *o = arg;
	ProtobufCAllocator allocator = { .alloc = arena_allocate,
		                         .free = arena_leave,
		                         .allocator_data = o->a };
	size_t n = podstore__rows__get_packed_size(rows);
	uint8_t *packed;

	if (rows->n_uids == 0)
		return true;
	packed = arena_alloc(o->a, n + 1);
	if (packed)
		o->rows = podstore__rows__unpack(&allocator, podstore__rows__pack(rows, packed), packed);
	o->failed = o->rows ? 0 : -POD_E_NOMEM;
	return false;
}

int eas_rows_fetch(struct eas_request *rq, struct arena *a, uint32_t mailbox, uint32_t uid, uint32_t columns,
                   const Podstore__Rows **ret_rows)
{
	struct one o = { .a = a, .failed = -POD_E_NOTFOUND };
	int r = eas_rows_each(rq, a, mailbox, uid, uid, columns, keep_row, &o, NULL);

	if (r == 0)
		r = o.failed;
	if (r == 0)
		*ret_rows = o.rows;
	return r;
}
