/* Whether a volume's standby may lack what its primary acknowledges. */
#include "mta/safetynet/safetynet.h"

static bool look(struct directory *dir, struct arena *a, const char *volume, struct directory_volume *ret)
{
	return a && directory_volume_find(dir, a, span_of(volume), ret, NULL) == 0;
}

struct safetynet_watch safetynet_watch(struct directory *dir, struct arena *a, const char *volume)
{
	struct directory_volume v;

	if (!look(dir, a, volume, &v))
		return (struct safetynet_watch){ 0, false };
	return (struct safetynet_watch){ v.token, v.standby_behind };
}

bool safetynet_wants(const struct safetynet_watch *w, struct directory *dir, struct arena *a,
                     const char *volume)
{
	struct directory_volume v;

	if (w->token == 0 || w->behind)
		return w->token != 0;
	return look(dir, a, volume, &v) && v.standby_behind;
}
