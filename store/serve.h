/* Serves one volume until SIGTERM. */
#ifndef POD_STORE_SERVE_H
#define POD_STORE_SERVE_H

#include "base/err.h"
#include "conf/conf.h"

struct serving;

/*
 * In the order that main names them. serve_prepare does what takes privileges: it reads the directory, binds
 * the socket and maps the metrics; serve_run opens the volume and starts threads, without them.
 */
int serve_prepare(const struct conf *conf, const char *volume, struct serving **ret_s, struct err *err);
int serve_run(struct serving *s, struct err *err);
struct serving *serve_free(struct serving *s);

/* The folder of a volume in the directory; in a. */
int serve_volume_path(const struct conf *conf, struct arena *a, const char *volume, const char **ret_path,
                      struct err *err);

#endif
