/* The commands of the program: each takes argv from its own name on and returns the exit status. */
#ifndef REPLICATOR_CLI_COMMANDS_H
#define REPLICATOR_CLI_COMMANDS_H

int cmd_create(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_serve(int argc, char **argv); /* becomes nbdkit: does not return where it can start */

#endif
