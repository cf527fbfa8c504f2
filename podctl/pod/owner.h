/* Whose the parts of DIR are. Started by root, the programs run as users of their own; else all is the
 * caller's. */
#ifndef PODCTL_POD_OWNER_H
#define PODCTL_POD_OWNER_H

#include <sys/types.h>

#include "base/err.h"

#define POD_GROUP "podmail"

/*
 * Makes a folder where it is missing and sets its mode. As root it is given to user and to the group podmail
 * ("" stays root's). -POD_E_NOTFOUND where there is no such user or group, with words how to make them.
 */
int owned_folder_make(const char *path, mode_t mode, const char *user, struct err *err);
/* Sets the mode of a file that is there, and as root gives it to root and the group podmail. */
int owned_file_set(const char *path, mode_t mode, struct err *err);
/* The same, given to user ("": root). */
int owned_file_give(const char *path, mode_t mode, const char *user, struct err *err);

#endif
