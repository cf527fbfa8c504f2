/*
 * Where a replica of this host has its things, and whose they are:
 *
 *   SITES_DIR/SITE/VOLUME/       the replica itself
 *   RUN_DIR/replica/VOLUME.SITE.nbd, .ctl   its sockets, in a folder that front ends cannot enter: they lead
 * to raw mail STAGE_DIR/podmail-HASH-VOLUME.SITE      the stage; HASH tells the pods of a machine apart
 *   DIR/tls/replica-SITE.pem, .key          the site's identity on the links
 *
 * With several hosts, what is here for a site that lies elsewhere is nothing: see replica_is_here.
 */
#ifndef PODCTL_PODD_REPLICA_FILES_H
#define PODCTL_PODD_REPLICA_FILES_H

#include <limits.h>
#include <stdbool.h>

#include "podctl/podd/podd.h"

struct replica_files {
	char folder[PATH_MAX], nbd[PATH_MAX], control[PATH_MAX], stage[PATH_MAX];
	char cert[PATH_MAX], key[PATH_MAX];
};

/* Whether this host is where the replica lies. */
bool replica_is_here(const struct conf *conf, const Directory__Replica *replica);
/* Paths only. -POD_E_LIMIT: a name is too long for a socket. */
int replica_files_of(const struct conf *conf, const char *volume, const Directory__Replica *replica,
                     struct replica_files *ret, struct err *err);
/* Makes the folders that are missing, and the site's certificate. */
int replica_files_make(const struct conf *conf, const char *site, const struct replica_files *f,
                       struct err *err);
/* Whether the folder holds a replica; and empties it of what a creation that was cut short left there. */
bool replica_files_complete(const struct replica_files *f);
int replica_files_clear(const struct replica_files *f, struct err *err);
/* The folder for a new replica, in buf of PATH_MAX. */
const char *replica_folder(const struct conf *conf, const char *volume, const char *site, char *buf);

#endif
