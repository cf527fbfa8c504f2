/* What podd has, asked for and printed. Both return the exit status, having said what went wrong. */
#ifndef PODCTL_SHOW_H
#define PODCTL_SHOW_H

#include "podctl/output.h"

/* All objects of a listing (client_list), as output_rows prints them. */
int show_list(struct cli *cli, const char *path, const char *key, const struct output_column *columns,
              size_t n);
/* One object, as output_object prints it. */
int show_object(struct cli *cli, const char *path, const struct output_column *columns, size_t n);

#endif
