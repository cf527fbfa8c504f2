/* What podd asks of the mta's workers, on a unix socket that they share: whichever is free answers. */
#ifndef POD_MTA_CONN_ADMIN_H
#define POD_MTA_CONN_ADMIN_H

#include "conf/conf.h"

/* In run_dir; podd/api_milter.c knows it, too. */
#define SMTP_ADMIN_SOCKET_NAME "mta-workers.sock"

struct worker;
struct smtp_admin;

/* The parent's: only our own user and root connect. */
int smtp_admin_listen(const struct conf *conf, int *ret_fd, struct err *err);
/*
 * HTTP with JSON on fd, which stays the caller's:
 *
 *   GET /milters          {"milters": [{"listener", "name", "socket", "protocol", "on_failure", "idle"}]}, in
 *                         the order in which a listener asks them
 *   GET /milters?test=1   each with "test": what it says now (admin_milters.c)
 */
int smtp_admin_serve(struct worker *w, int fd, struct smtp_admin **ret_admin, struct err *err);
/* Ends what is under way. NULL is fine; returns NULL. */
struct smtp_admin *smtp_admin_stop(struct smtp_admin *a);

#endif
