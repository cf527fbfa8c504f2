/* What podd asks of the outbound processes, on a unix socket that they share: whichever is free answers. */
#ifndef POD_MTA_OUTBOUND_ADMIN_H
#define POD_MTA_OUTBOUND_ADMIN_H

#include "mta/outbound/internal.h"

struct outbound_admin;

/* HTTP with JSON on fd, which stays the caller's: GET /route?domain=DOMAIN answers as look.h says. */
int outbound_admin_serve(struct outbound *o, int fd, struct outbound_admin **ret_admin, struct err *err);
/* Ends what is under way. NULL is fine; returns NULL. */
struct outbound_admin *outbound_admin_stop(struct outbound_admin *a);

#endif
