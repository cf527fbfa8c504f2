/* A search of mail carried out. Internal to imapd/eas/search; suspends the fiber. */
#ifndef POD_IMAPD_EAS_SEARCH_RUN_H
#define POD_IMAPD_EAS_SEARCH_RUN_H

#include "imapd/eas/eas.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/search/request.h"

struct search_hit {
	const Podstore__Mailbox *box; /* its guid is the folder's id */
	uint32_t uid;
	int64_t date_s;
};

/* The newest first. */
struct search_hits {
	struct search_hit *hits;
	size_t n, cap;
};

/*
 * Headers are looked at as the index has them; messages are opened, the newest first, only where the query is
 * about their bodies and their headers did not decide, and for SEARCH_BODIES_MS at most: what is found by
 * then is the answer. -POD_E_NOTFOUND: there is no such folder; others: the store's. Results in a.
 */
#define SEARCH_BODIES_MS 15000u
int eas_search_run(struct eas_request *rq, struct arena *a, const struct search_request *q,
                   struct search_hits *ret_hits);

/* A hit as it is now; a message that is gone meanwhile is -POD_E_NOTFOUND. In a. */
int search_item_of(struct eas_request *rq, struct arena *a, const struct search_hit *hit,
                   struct eas_item_place *place, struct eas_item *ret_item);

#endif
