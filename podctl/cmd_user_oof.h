/* podctl user oof, a row of cmd_user.c. */
#ifndef PODCTL_CMD_USER_OOF_H
#define PODCTL_CMD_USER_OOF_H

#include "podctl/command.h"

extern const struct command_option user_oof_options[];
int user_oof_run(struct cli *cli);

#endif
