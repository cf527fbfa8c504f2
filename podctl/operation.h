/* An operation on a volume that goes on in podd: watching it until its end. */
#ifndef PODCTL_OPERATION_H
#define PODCTL_OPERATION_H

#include <jansson.h>

#include "podctl/cli.h"

/*
 * Begins it (a POST to path with body, which is taken) and waits for its end, with a remark for each step. Prints what
 * was done, as JSON or as words. Returns the exit status; one that was cut off by Ctrl-C goes on in podd.
 */
int operation_run(struct cli *cli, const char *volume, const char *path, json_t *body);

#endif
