/*
 * nbdkit writes its messages to standard error; here they become lines of our log. What it says before
 * messages_start (wrong parameters, a plugin that cannot start) goes out as it is.
 */
#ifndef REPLICATOR_PLUGIN_MESSAGES_H
#define REPLICATOR_PLUGIN_MESSAGES_H

#include "base/err.h"
#include "base/log.h"

/* Puts a pipe in the place of standard error, a thread behind it, and our log onto the old one. Once a
 * process. */
int messages_start(enum log_format format, enum log_level least, struct err *err);
/* Puts standard error back and writes what is left. */
void messages_stop(void);

#endif
