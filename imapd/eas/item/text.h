/* Text as it may stand in an answer: clean UTF-8, cut to the byte without cutting a character. Pure. */
#ifndef POD_IMAPD_EAS_ITEM_TEXT_H
#define POD_IMAPD_EAS_ITEM_TEXT_H

#include "base/arena.h"

/*
 * Text that every reader takes: bytes that are no UTF-8 become U+FFFD, control characters that XML does not
 * have (clients turn answers into it) are left out. The text itself where nothing had to be done. SPAN_NONE:
 * memory is out.
 */
struct span eas_text_clean(struct arena *a, struct span text);

/* The start of clean text, at most max bytes, with its last character whole. */
struct span eas_text_cut(struct span text, uint64_t max);

/* The first max_chars characters of plain text on one line: white space as one space. SPAN_NONE: memory is
 * out. */
struct span eas_text_preview(struct arena *a, struct span text, unsigned int max_chars);

#endif
