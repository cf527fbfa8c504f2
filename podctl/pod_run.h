/* Starting and stopping a pod's podd, and with it the pod. */
#ifndef PODCTL_POD_RUN_H
#define PODCTL_POD_RUN_H

#include "podctl/cli.h"
#include "podctl/pod/pidfile.h"

/* The podd of the pod that runs: -POD_E_NOTFOUND where none does. */
int pod_running(struct cli *cli, const struct conf *conf, struct process_mark *ret_mark);

/* Keeps other podctl of this pod from starting or stopping it, until *ret_fd is closed. Waits for theirs. */
int pod_lock(struct cli *cli, int *ret_fd);

/*
 * Starts podd, in a session of its own, and waits until it takes requests; it goes on when we end. Before,
 * what is left of an earlier one is ended and the ports are looked at. verbose: its log comes to our standard
 * error too. *ret_mark: the process, our child.
 */
int pod_start(struct cli *cli, const struct conf *conf, bool verbose, struct process_mark *ret_mark);

/* Stops the pod: podd, which stops the others in order, and whatever does not end by itself. Waits for it. */
int pod_stop(struct cli *cli, const struct conf *conf, const struct process_mark *podd);
/* What runs of the pod without a podd. */
int pod_end_leftovers(struct cli *cli, const struct conf *conf, unsigned int *ret_ended);

#endif
