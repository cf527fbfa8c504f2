/* For builds with a sanitizer: our plugin brings it into an nbdkit that was built without one. */
#ifndef REPLICATOR_CLI_SANITIZER_H
#define REPLICATOR_CLI_SANITIZER_H

#include "base/err.h"

/*
 * What is executed after this loads the runtime of this program's sanitizer before all else (LD_PRELOAD): it has to
 * be there when the first memory is taken, long before the plugin is loaded that wants it; and behind it what
 * starts it (sanitizer_first.c), from the build tree. Nothing is done in a build without one. -POD_E_NOTFOUND: the
 * runtime is not among the libraries of this process.
 */
int sanitizer_hand_on(struct err *err);

#endif
