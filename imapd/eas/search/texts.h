/* What of a message a query is held against, out of the index. Pure. Internal to imapd/eas/search. */
#ifndef POD_IMAPD_EAS_SEARCH_TEXTS_H
#define POD_IMAPD_EAS_SEARCH_TEXTS_H

#include "imapd/eas/search/query.h"

/* All but the body; folded, in a. -POD_E_NOMEM. */
int search_texts_of(struct arena *a, struct span header, struct span bodystructure,
                    struct search_texts *ret_texts);

#endif
