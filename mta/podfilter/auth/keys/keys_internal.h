/* What the files of this folder share. */
#ifndef PODFILTER_AUTH_KEYS_INTERNAL_H
#define PODFILTER_AUTH_KEYS_INTERNAL_H

#include "mta/podfilter/auth/keys/keys.h"

struct keys {
	char *dir;
};

#define KEYS_FILE_MAX 65536

/* A domain in lower case that is also the name of a folder: letters, digits, "-", ".". -POD_E_SYNTAX. */
int keys_domain(struct arena *a, const char *domain, const char **ret_domain, struct err *err);
const char *keys_path(const struct keys *keys, struct arena *a, const char *domain, const char *file);
/* Writes a file of the domain's folder anew, durably, readable for us alone. Makes the folder. */
int keys_write_file(const struct keys *keys, struct arena *a, const char *domain, const char *file,
                    struct span bytes, struct err *err);
/* -POD_E_NOTFOUND without words where it is not there. */
int keys_read_file(const char *path, struct arena *a, struct span *ret_bytes, struct err *err);
int keys_write_list(const struct keys *keys, struct arena *a, const struct key_list *list, struct err *err);

#endif
