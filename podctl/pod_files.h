/* A new pod's folder and configuration, and what has to be so before podd can start. */
#ifndef PODCTL_POD_FILES_H
#define PODCTL_POD_FILES_H

#include "podctl/cli.h"

#define POD_BASE_PORT_DEFAULT 2000
#define POD_DOMAIN_DEFAULT    "example.test"

/* What a new pod is to be; NULL for the defaults. */
struct pod_wish {
	const char *base_port, *domain;
	const char *volumes;     /* replication.volumes */
	const char *volume_size; /* replication.volume_size */
};

/*
 * Makes DIR and DIR/podmail.conf where there is no pod yet; where there is one already, what is wished must be what its
 * configuration says.
 */
int pod_files_make(struct cli *cli, const struct pod_wish *wish);

#endif
