/* The body that came with a request, behind a header of ours: held for the writer, or an unnamed file on the volume. */
#ifndef POD_STORE_SERVICE_BODY_IN_H
#define POD_STORE_SERVICE_BODY_IN_H

#include "store/service/service_internal.h"

/* Small and in memory: taking it in is no work. */
bool body_in_is_held(const struct task *t);
/* -POD_E_PROTOCOL where it is not of the size announced. On a pool's thread unless it is held. */
int body_in_stage(struct task *t, uint64_t size, struct span header, struct volume_body *ret_body, struct err *err);

#endif
