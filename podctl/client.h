/* Requests to podd's admin API, over its unix socket. */
#ifndef PODCTL_CLIENT_H
#define PODCTL_CLIENT_H

#include <jansson.h>

#include "podctl/cli.h"

/* An address or a name as one segment of a path, percent-encoded, in the cli's arena. NULL: memory is out. */
const char *client_segment(struct cli *cli, const char *text);

/*
 * Makes one request and waits for the answer. body is taken and may be NULL. 0 and *ret_answer (the caller's,
 * json_decref), or -POD_E_*: cli->err and cli->hint say what failed, -POD_E_UNAVAILABLE that podd does not
 * run.
 */
int client_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_answer);
/* The same for a request that may take as long as it takes. */
int client_call_long(struct cli *cli, const char *method, const char *path, json_t *body,
                     json_t **ret_answer);
/* Puts {"error": {"code", "message", "hint"}} of an answer into cli->err and cli->hint; returns -POD_E_*. */
int client_take_error(struct cli *cli, const json_t *answer);
/* All pages of a listing joined: path is "/users" or "/users?domain=x", key "users". */
int client_list(struct cli *cli, const char *path, const char *key, json_t **ret_answer);

#endif
