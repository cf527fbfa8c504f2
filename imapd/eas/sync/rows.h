/* Rows of a folder as the store sends them, for those who look at all of it. */
#ifndef POD_IMAPD_EAS_SYNC_ROWS_H
#define POD_IMAPD_EAS_SYNC_ROWS_H

#include "imapd/eas/sync/engine.h"
#include "imapd/eas/sync/folders.h"

#define EAS_SYNC_COLUMNS (STORE_COL_FLAGS | STORE_COL_MODSEQ | STORE_COL_INTERNAL_DATE)

/* headers: valid during the call, empty unless they were asked for. Less than 0 ends the walk. */
typedef int eas_sync_row_fn(void *arg, const struct eas_row *row, struct span headers);

/*
 * Calls fn for each row of a part of an answer to a request for columns (EAS_SYNC_COLUMNS and perhaps
 * STORE_COL_HEADERS). What fn returned, or -POD_E_PROTOCOL where columns are missing.
 */
int eas_sync_rows_take(const Podstore__Rows *rows, uint32_t columns, eas_sync_row_fn *fn, void *arg);

/* The same for every message of the folder, by uid. Suspends. */
int eas_sync_rows_all(struct eas_request *rq, const struct eas_sync_folder *folder, uint32_t columns,
                      eas_sync_row_fn *fn, void *arg, struct err *err);

#endif
