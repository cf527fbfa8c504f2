#include <stdlib.h>

#include "imapd/eas/internal.h"

int eas_service_create(const struct eas_parts *parts, struct eas_service **ret_service, struct err *err)
{
	struct eas_service *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, POD_E_NOMEM, "ActiveSync");
	s->parts = *parts;
	park_init(&s->park);
	*ret_service = s;
	return 0;
}

void eas_service_drain(struct eas_service *s)
{
	park_drain(&s->park);
}

struct eas_service *eas_service_free(struct eas_service *s)
{
	free(s);
	return NULL;
}
