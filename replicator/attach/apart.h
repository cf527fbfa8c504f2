/*
 * A call that waits for the volume, made apart from the process that serves it. Inside mount(2) and umount(2)
 * a process cannot be killed, and while it waits there it keeps the descriptors with which the device is
 * served: one that dies in there would wait for itself for ever, and hold up everybody who makes or ends a
 * loop device. A child has none of them.
 */
#ifndef POD_REPLICATOR_ATTACH_APART_H
#define POD_REPLICATOR_ATTACH_APART_H

/*
 * Runs call(arg) in a child without descriptors, which ends when this process does. Returns what call
 * returned, 0 or an errno up to 255; -1 with errno where it could not be run or was killed. call may only do
 * what is safe after a fork in a process with threads: no memory, no logs.
 */
int run_apart(int (*call)(const void *arg), const void *arg);

#endif
