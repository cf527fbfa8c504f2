/* The version that every program says with --version. */
#ifndef POD_BASE_VERSION_H
#define POD_BASE_VERSION_H

#define POD_VERSION "0.1.0"

#endif
