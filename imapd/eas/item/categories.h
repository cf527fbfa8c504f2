/*
 * Categories as IMAP keywords. A category is any text, a keyword an atom (RFC 3501 9): what no atom may have
 * is shifted as in modified UTF-7, which is also how IMAP spells mailbox names. Keywords that begin with "$",
 * and a few others that mail programs set for themselves, are no categories. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_CATEGORIES_H
#define POD_IMAPD_EAS_ITEM_CATEGORIES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define EAS_CATEGORIES_MAX    300 /* of an item (MS-ASEMAIL 2.2.2.16) */
#define EAS_CATEGORY_NAME_MAX 255

/* The keyword of a category; -POD_E_SYNTAX: it is empty, too long or no UTF-8. In a. */
int eas_category_keyword(struct arena *a, struct span category, const char **ret_keyword);
/* The category that a keyword is; false: it is none. In a. */
bool eas_keyword_category(struct arena *a, struct span keyword, struct span *ret_category);

#endif
