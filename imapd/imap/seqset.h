/* Sequence sets (RFC 3501 9, sequence-set): as written, and as ascending ranges over a view. Pure. */
#ifndef POD_IMAPD_IMAP_SEQSET_H
#define POD_IMAPD_IMAP_SEQSET_H

#include "imapd/imap/parse.h"
#include "imapd/imap/view.h"

#define IMAP_SEQ_STAR 0u /* "*": no message has this number */

/* As written, in any order; "*" is IMAP_SEQ_STAR. */
struct imap_seqset {
	struct imap_range *r;
	size_t n;
};

/* Ascending, disjoint, not touching. */
struct imap_ranges {
	struct imap_range *r;
	size_t n;
};

/* Memory is the parser's arena. */
int imap_seqset_parse(struct imap_parser *p, struct imap_seqset *ret_set);

/*
 * The uids a set names in a view, in ranges that may span gaps where messages were expunged. With uid, the
 * set holds uids, and those nobody has are left out; without, it holds sequence numbers, and one that is too
 * large is -POD_E_SYNTAX (RFC 3501 9: the server should respond with BAD).
 */
int imap_seqset_uids(struct arena *a, const struct imap_seqset *set, const struct imap_view *v, bool uid,
                     struct imap_ranges *ret_uids);

/* Adds to ranges in ascending order (grown in a); a number that follows the last one extends its range. */
struct imap_ranges_writer {
	struct arena *a;
	struct imap_ranges ranges;
	size_t cap;
};
int imap_ranges_add(struct imap_ranges_writer *w, uint32_t first, uint32_t last);
bool imap_ranges_has(const struct imap_ranges *ranges, uint32_t number);

#endif
