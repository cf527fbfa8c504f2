/* What changes that move folders share. */
#ifndef POD_STORE_INDEX_FOLDERS_H
#define POD_STORE_INDEX_FOLDERS_H

#include "store/index/batch.h"

/* -POD_E_UNAVAILABLE while a folder of an earlier change could not be moved to its place. */
static inline int folders_check(const struct batch *b, struct err *err)
{
	return b->vol->writer.intents_stuck ?
	               err_set(err, POD_E_UNAVAILABLE, "an earlier change of folders is not finished") : 0;
}

#endif
