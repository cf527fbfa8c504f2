/* Answers of podd, printed for people as tables or for programs as they came. */
#ifndef PODCTL_OUTPUT_H
#define PODCTL_OUTPUT_H

#include <jansson.h>

#include "podctl/cli.h"

enum output_type {
	OUTPUT_TEXT,
	OUTPUT_NUMBER,
	OUTPUT_SIZE,  /* bytes: "1.5 GiB" */
	OUTPUT_QUOTA, /* the same; 0: "none" */
	OUTPUT_TIME,  /* seconds since 1970: local time; 0: "never" */
	OUTPUT_SPAN,  /* seconds: "3d 4h" */
	OUTPUT_YESNO,
	OUTPUT_LIST, /* strings: with commas between */
};

struct output_column {
	const char *title; /* "QUOTA" */
	const char *key;   /* of the object */
	enum output_type type;
};

/* A listing: rows is an array of objects, whole the answer that --format json prints. Returns the exit
 * status. */
int output_rows(struct cli *cli, const struct output_column *columns, size_t n, const json_t *rows,
                const json_t *whole);
/* One object, a line for each field; those that it has not are left out. */
int output_object(struct cli *cli, const struct output_column *columns, size_t n, const json_t *object);
/* What was done: the object as JSON, or a remark. */
int output_done(struct cli *cli, const json_t *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Pretty JSON and a line end on standard output. */
void output_json(const json_t *json);
/* {"error": {...}} on standard error. */
void output_error(const struct err *err, const char *hint);

#endif
