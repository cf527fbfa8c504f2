/*
 * A store for tests of front ends: a process that speaks the store protocol and keeps each delivered message
 * as a file DIR/USER.ID, so that a repeated delivery is seen as one. What it answers hangs on the user's id:
 * "quota" is over quota, "disk" finds no space, "gone" does not exist, "slow" answers never. The password of
 * everybody is "sesame".
 */
#ifndef POD_TESTS_FAKE_STORE_H
#define POD_TESTS_FAKE_STORE_H

#include <sys/types.h>

/* Serves volume at DIR/VOLUME.sock until it is killed; returns when it listens. */
pid_t fake_store_start(const char *dir, const char *volume);
void fake_store_stop(pid_t pid);

#endif
