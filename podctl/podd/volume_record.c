#include "podctl/podd/volume_record.h"

#include <stdint.h>

#include "base/cleanup.h"

#define RECORD_ARENA (1u << 20)

int volume_record_get(const struct podd *p, struct arena *a, const char *name,
                      const Directory__Volume **ret_v, struct err *err)
{
	const ProtobufCMessage *record;
	int r = directory_get(p->dir, a, DIRECTORY_VOLUME, span_of(name), &record, err);

	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "there is no volume %.64s", name);
	if (r == 0)
		*ret_v = (const Directory__Volume *) record;
	return r;
}

/* The message that was read is the arena's, and nobody else has it: what is const is only its type. */
static Directory__Volume *writable(const Directory__Volume *v)
{
	return (Directory__Volume *) (uintptr_t) v;
}

int volume_record_change(const struct podd *p, const char *name, volume_record_fn *fn, void *arg,
                         struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(RECORD_ARENA);
	const Directory__Volume *v;
	int r = a ? volume_record_get(p, a, name, &v, err) : err_set(err, POD_E_NOMEM, "volume %.64s", name);

	if (r == 0)
		r = fn(arg, writable(v), a, err);
	return r == 0 ? directory_replace(p->dir, DIRECTORY_VOLUME, span_of(name), &v->base, err) : r;
}

size_t volume_record_site(const Directory__Volume *v, const char *site)
{
	for (size_t i = 0; i < v->n_replicas; i++)
		if (strcmp(v->replicas[i]->site, site) == 0)
			return i;
	return SIZE_MAX;
}
