/* A volume's record in the directory: read, changed and written back in one go. podd is its only writer. One
 * thread. */
#ifndef PODCTL_PODD_VOLUME_RECORD_H
#define PODCTL_PODD_VOLUME_RECORD_H

#include "podctl/podd/podd.h"

#define VOLUME_STATE_ACTIVE    "active"
#define VOLUME_STATE_MAKING    "making"
#define VOLUME_KIND_DIRECTORY  "directory"
#define VOLUME_KIND_REPLICATED "replicated"

static inline bool volume_record_is_replicated(const Directory__Volume *v)
{
	return strcmp(v->kind, VOLUME_KIND_REPLICATED) == 0;
}

/* In the arena. -POD_E_NOTFOUND with words for the admin. */
int volume_record_get(const struct podd *p, struct arena *a, const char *name,
                      const Directory__Volume **ret_v, struct err *err);
/*
 * fn changes *v, a copy whose lists are its own; texts it sets must live until this returns (a is an arena
 * for them). It may refuse with -POD_E_* and words in err. Durable when this returns 0.
 */
typedef int volume_record_fn(void *arg, Directory__Volume *v, struct arena *a, struct err *err);
int volume_record_change(const struct podd *p, const char *name, volume_record_fn *fn, void *arg,
                         struct err *err);

/* Index of the replica at a site, or SIZE_MAX. */
size_t volume_record_site(const Directory__Volume *v, const char *site);

#endif
