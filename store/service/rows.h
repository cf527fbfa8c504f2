/* Rows of messages, gathered column by column until there are enough of them for a frame. One thread at a time. */
#ifndef POD_STORE_SERVICE_ROWS_H
#define POD_STORE_SERVICE_ROWS_H

#include "base/arena.h"
#include "store/index/index.h"
#include "storeproto/storeproto.h"

struct rows {
	struct arena *a; /* of the batch: large columns are copied out of the read snapshot */
	uint32_t columns;
	size_t cap, bytes; /* room of the arrays; what is in them, about */
	uint32_t last_uid;
	Podstore__Rows out;
};

/* -POD_E_NOMEM. */
int rows_init(struct rows *r, uint32_t columns);
void rows_done(struct rows *r);
/* Adds a row. 1: it is time to send r->out and call rows_clear; 0; or -POD_E_NOMEM. */
int rows_add(struct rows *r, const struct volume_row *row);
int rows_clear(struct rows *r);

#endif
