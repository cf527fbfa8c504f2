/*
 * Where the replicator is started from. The other programs are started by root and become their users later;
 * the replicator, whose work nbdkit does, is started as its user, who has to be able to read it and its
 * plugin. A tree in root's home is closed to that user: then both are copied to where it can.
 */
#ifndef PODCTL_PODD_REPLICA_PROGRAM_H
#define PODCTL_PODD_REPLICA_PROGRAM_H

#include "podctl/podd/podd.h"

/* At podd's start, with the folders made: decides, and copies where it has to. */
int replica_program_place(struct podd *p, struct err *err);

/* The path of the replicator, into buf (PATH_MAX bytes). Returns buf. */
const char *replica_program(const struct podd *p, char *buf, size_t size);

#endif
