#include <stdlib.h>

#include "imapd/eas/device/notice.h"
#include "imapd/eas/internal.h"
#include "imapd/eas/park/mesh.h"

/* Without it devices that wait learn of new policies with their next request: no reason not to serve. */
static void notice_or_not(struct eas_service *s)
{
	struct err err = { 0 };

	if (device_notice_create(&s->parts, &s->notice, &err) < 0)
		log_event(NULL, LOGL_WARNING, "directory.no_notices", F_ERR(&err));
}

int eas_service_create(const struct eas_parts *parts, struct eas_service **ret_service, struct err *err)
{
	struct eas_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "ActiveSync");
	s->parts = *parts;
	park_init(&s->park);
	turns_init(&s->turns, parts->base);
	notice_or_not(s);
	r = mesh_listen(parts->mesh, parts->base, parts->worker, park_on_word, s, err);
	if (r < 0)
		(void) eas_service_free(s);
	else
		*ret_service = s;
	return r;
}

void eas_service_drain(struct eas_service *s)
{
	park_drain(&s->park);
}

struct eas_service *eas_service_free(struct eas_service *s)
{
	if (!s)
		return NULL;
	(void) device_notice_free(s->notice);
	turns_done(&s->turns);
	free(s);
	return NULL;
}
