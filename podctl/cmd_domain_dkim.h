/* podctl domain dkim: one command of the group domain in a file of its own. */
#ifndef PODCTL_CMD_DOMAIN_DKIM_H
#define PODCTL_CMD_DOMAIN_DKIM_H

#include "podctl/cli.h"

int domain_dkim_run(struct cli *cli);
extern const struct command_option domain_dkim_options[];
extern const char domain_dkim_details[];

#endif
