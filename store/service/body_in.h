/* The body that came with a request: staged on the volume as an unnamed file, behind a header of ours. */
#ifndef POD_STORE_SERVICE_BODY_IN_H
#define POD_STORE_SERVICE_BODY_IN_H

#include "store/service/service_internal.h"

/* -POD_E_PROTOCOL where it is not of the size announced. On a pool's thread. */
int body_in_stage(struct task *t, uint64_t size, struct span header, struct volume_body *ret_body, struct err *err);

#endif
