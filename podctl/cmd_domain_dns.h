/* podctl domain dns */
#ifndef PODCTL_CMD_DOMAIN_DNS_H
#define PODCTL_CMD_DOMAIN_DNS_H

#include "podctl/cli.h"

int domain_dns_run(struct cli *cli);

#endif
