/* A new pod's folder and configuration, and what has to be so before podd can start. */
#ifndef PODCTL_POD_FILES_H
#define PODCTL_POD_FILES_H

#include "podctl/cli.h"

#define POD_BASE_PORT_DEFAULT 2000
#define POD_DOMAIN_DEFAULT    "example.test"

/*
 * Makes DIR and DIR/podmail.conf where there is no pod yet. base_port and domain: NULL for the defaults;
 * where there is a pod already they must be what its configuration says.
 */
int pod_files_make(struct cli *cli, const char *base_port, const char *domain);

#endif
