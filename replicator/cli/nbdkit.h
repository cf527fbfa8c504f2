/* What of nbdkit's the program has to know in order to become it. */
#ifndef REPLICATOR_CLI_NBDKIT_H
#define REPLICATOR_CLI_NBDKIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define NBDKIT_ARGUMENTS_MAX 128

/* An argument list, NULL behind the last. Texts are the arena's. */
struct nbdkit_arguments {
	struct arena *arena;
	const char *argv[NBDKIT_ARGUMENTS_MAX + 1];
	size_t n;
	bool full; /* memory or places ran out: nbdkit_become says so */
};

void nbdkit_add(struct nbdkit_arguments *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The plugin: beside this program, or where the build puts it. -POD_E_NOTFOUND. */
int nbdkit_find_plugin(struct arena *a, const char **ret_path, struct err *err);
/*
 * A folder of certificates under the names that nbdkit wants, as links to the files, beside the control
 * socket. Made anew each time.
 */
int nbdkit_make_tls_folder(struct arena *a, const char *beside, const char *cert, const char *key,
                           const char *ca, const char **ret_folder, struct err *err);
/* The listening socket goes to the place and under the words of socket activation (sd_listen_fds(3)). */
int nbdkit_pass_socket(int fd, struct err *err);
/* Returns only where it fails. */
int nbdkit_become(const struct nbdkit_arguments *a, struct err *err);

#endif
