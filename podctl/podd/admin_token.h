/* The bearer token of the admin port: 64 hex digits in run/admin.token, readable for the pod's owner only. */
#ifndef PODCTL_PODD_ADMIN_TOKEN_H
#define PODCTL_PODD_ADMIN_TOKEN_H

#include <stdbool.h>

#include "base/err.h"

#define ADMIN_TOKEN_NAME "admin.token" /* in run_dir */
#define ADMIN_TOKEN_SIZE 65

/* Reads it, or makes it where there is none. -POD_E_CORRUPT where the file holds something else. */
int admin_token_load(const char *run_dir, char ret_token[ADMIN_TOKEN_SIZE], struct err *err);
/* Takes as long whatever is equal in it. */
bool admin_token_equal(const char token[ADMIN_TOKEN_SIZE], const char *given);

#endif
