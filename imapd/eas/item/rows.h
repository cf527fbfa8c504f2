/* Rows of messages as a command needs them. Functions suspend the fiber. */
#ifndef POD_IMAPD_EAS_ITEM_ROWS_H
#define POD_IMAPD_EAS_ITEM_ROWS_H

#include "imapd/eas/item/item.h"

/* The row of one message, in a. -POD_E_NOTFOUND: there is none. */
int eas_rows_fetch(struct eas_request *rq, struct arena *a, uint32_t mailbox, uint32_t uid, uint32_t columns,
                   const Podstore__Rows **ret_rows);

/*
 * All rows of a mailbox from uid `first` to `last`, as they come: on_rows must not suspend, what it gets is
 * valid during the call. It returns whether it wants more; the rest is then passed over.
 */
typedef bool eas_rows_fn(void *arg, const Podstore__Rows *rows);
int eas_rows_each(struct eas_request *rq, struct arena *a, uint32_t mailbox, uint32_t first, uint32_t last,
                  uint32_t columns, eas_rows_fn *on_rows, void *arg, struct err *err);

#endif
