/* Text broken into lines of a width. */
#ifndef PODCTL_WRAP_H
#define PODCTL_WRAP_H

#include <stdio.h>

/* Prints text, whose first line begins at column indent already, and a line end. "\n" in it starts a new
 * line. */
void wrap_print(FILE *out, const char *text, int indent, int width);

#endif
