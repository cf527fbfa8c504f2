/* Strings in IMAP's notation (RFC 3501 section 9), found in what lib/mime wrote. Pure. */
#ifndef POD_MIME_IMAP_LEX_H
#define POD_MIME_IMAP_LEX_H

#include "base/span.h"

/*
 * Length of the string, number or NIL at the start of s, marks and all; 0 where there is none, or it does not
 * end. *ret_head (may be NULL): of a literal, how many bytes are before its text.
 */
size_t imap_string_len(struct span s, size_t *ret_head);

/* The same of a string, a number, NIL or a list of these, of at most depth_max lists in each other. */
size_t imap_element_len(struct span s, size_t depth_max);

#endif
