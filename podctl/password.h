/* Passwords: asked for, read, or made. */
#ifndef PODCTL_PASSWORD_H
#define PODCTL_PASSWORD_H

#include <stdbool.h>

#include "podctl/cli.h"

#define PASSWORD_MAX       1024
#define PASSWORD_MADE_SIZE 24 /* 20 characters in groups of 5, and the NUL */

/* A new one: 20 letters and digits that cannot be mistaken for each other, 98 bits. */
void password_make(char text[PASSWORD_MADE_SIZE]);

/*
 * The password of a command: the first line of standard input with --password-stdin, --password's value (with
 * a warning: other users see command lines), else a new one, and *ret_made is true. In the cli's arena.
 */
int password_get(struct cli *cli, const char **ret_password, bool *ret_made);

#endif
