/* A pod in the foreground: what it is, how it does, and its end at Ctrl-C. */
#ifndef PODCTL_LIVE_H
#define PODCTL_LIVE_H

#include <jansson.h>

#include "podctl/cli.h"
#include "podctl/pod/pidfile.h"

/* The pod for people: where it is, and lines for a mail client. */
void live_print_pod(const json_t *pod);
/* Keeps SIGINT, SIGTERM and SIGHUP for live_run, which waits for them. */
void live_block_signals(void);
/* Whether one of them has come since. */
bool live_asked_to_stop(void);
/* Shows how the pod does until one of those comes, or podd ends; then stops the pod. Returns the exit status.
 */
int live_run(struct cli *cli, const struct conf *conf, const struct process_mark *podd, bool verbose);

#endif
