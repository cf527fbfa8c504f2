/*
 * An event loop whose log lines go out behind its answers: after each round of callbacks, and not between
 * them.
 */
#ifndef POD_NET_LOOP_H
#define POD_NET_LOOP_H

struct event_base;

/* As event_base_dispatch(3): until the loop is left, or has nothing to wait for. 0, or -1 where it failed. */
int loop_run(struct event_base *base);

#endif
