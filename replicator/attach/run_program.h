/* A program of the system's, run to its end. */
#ifndef POD_REPLICATOR_ATTACH_RUN_PROGRAM_H
#define POD_REPLICATOR_ATTACH_RUN_PROGRAM_H

#include "base/err.h"

/*
 * argv[0], a name, is looked for where the system's own programs are; argv ends with NULL. Its output goes to
 * our standard error. -POD_E_NOTFOUND: no such program. -POD_E_IO: it failed.
 */
int run_program(const char *const argv[], struct err *err);

#endif
