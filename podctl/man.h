/* The commands as a manual page has them, from the tables that --help comes from. */
#ifndef PODCTL_MAN_H
#define PODCTL_MAN_H

#include <stdio.h>

/* man(7) macros: global options, then each command with its options. */
void man_print_commands(FILE *out);

#endif
