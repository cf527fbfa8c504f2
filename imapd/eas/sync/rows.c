#include "imapd/eas/sync/rows.h"

#include "imapd/eas/eas.h"
#include "imapd/eas/item/rows.h"

static bool are_complete(const Podstore__Rows *rows, uint32_t columns)
{
	size_t n = rows->n_uids;

	return rows->n_flags == n && rows->n_modseqs == n && rows->n_internal_dates == n &&
	       (!(columns & STORE_COL_HEADERS) || rows->n_headers == n);
}

int eas_sync_rows_take(const Podstore__Rows *rows, uint32_t columns, eas_sync_row_fn *fn, void *arg)
{
	int r = are_complete(rows, columns) ? 0 : -POD_E_PROTOCOL;

	for (size_t i = 0; r >= 0 && i < rows->n_uids; i++) {
		const struct eas_row row = { rows->uids[i], rows->flags[i], rows->modseqs[i],
			                     rows->internal_dates[i] };

		r = fn(arg, &row,
		       columns & STORE_COL_HEADERS ? span_make(rows->headers[i].data, rows->headers[i].len)
		                                   : SPAN_NONE);
	}
	return r < 0 ? r : 0;
}

struct walk {
	uint32_t columns;
	eas_sync_row_fn *fn;
	void *arg;
	int r;
};

static bool on_rows(void *arg, const Podstore__Rows *rows)
{
	struct walk *w = arg;

	w->r = eas_sync_rows_take(rows, w->columns, w->fn, w->arg);
	return w->r == 0;
}

int eas_sync_rows_all(struct eas_request *rq, const struct eas_sync_folder *folder, uint32_t columns,
                      eas_sync_row_fn *fn, void *arg, struct err *err)
{
	struct walk w = { columns, fn, arg, 0 };
	int r = eas_rows_each(rq, rq->a, folder->place.mailbox, 1, UINT32_MAX, columns, on_rows, &w, err);

	return r == 0 && w.r < 0 ? err_set(err, (enum pod_error) - w.r, "rows of the store") : r;
}
