/* Recipients whose header lines differ have the same message further down: the packed parts, moved. */
#ifndef POD_STORE_INDEX_SHIFT_H
#define POD_STORE_INDEX_SHIFT_H

#include "base/arena.h"

/* parts as mime_tree_pack made them, for a message with `by` more bytes of header in front. Empty where they are
 * damaged: readers then parse the file. */
struct span shift_parts(struct arena *a, struct span parts, int64_t by);

#endif
