/*
 * A file system on this host may be waiting for us while the kernel waits for memory: then we must neither
 * wait for memory that only that file system's writes would free, nor be swapped out, nor be the process that
 * is ended.
 */
#ifndef REPLICATOR_PLUGIN_MEMORY_H
#define REPLICATOR_PLUGIN_MEMORY_H

/* Call on the first thread before there are others: they inherit it. Best effort: memory_tell says what is
 * lacking. */
void memory_hold(void);
/* One notice in the log for each of these that was not allowed. */
void memory_tell(void);

#endif
