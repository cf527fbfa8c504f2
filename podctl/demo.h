/*
 * The users that a new pod begins with, so that one can log in at once: their passwords are made at first
 * start and kept in DIR/demo-users.json, for the owner's eyes. A pod for real use removes them.
 */
#ifndef PODCTL_DEMO_H
#define PODCTL_DEMO_H

#include <jansson.h>

#include "podctl/cli.h"

#define DEMO_FILE "demo-users.json"

/* [{"address", "password"}, ...]; an empty array where the file is gone. The caller's. */
int demo_users_load(struct cli *cli, json_t **ret_users);
/*
 * Makes what a new pod needs to be of use, through podd: a volume, the domain, the users, postmaster. Goes on
 * where an earlier try ended; does nothing once all was made.
 */
int demo_setup(struct cli *cli);
/* A user got another password, or (NULL) is gone: the file is kept true, where it names the user. */
void demo_users_change(struct cli *cli, const char *address, const char *password);

#endif
