/* Text compared as SEARCH does: without regard to case (RFC 3501 6.4.4), over UTF-8. Pure, thread-safe. */
#ifndef POD_IMAPD_IMAP_SEARCH_TEXT_H
#define POD_IMAPD_IMAP_SEARCH_TEXT_H

#include "base/arena.h"
#include "base/span.h"

/* The text with all letters in lower case; bytes that are no UTF-8 stay. SPAN_NONE where memory is out. */
struct span search_text_fold(struct arena *a, struct span text);

/* Whether text, folded, holds needle (folded already). An empty needle is everywhere. */
bool search_text_has(struct arena *scratch, struct span text, struct span needle);

#endif
