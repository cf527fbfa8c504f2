/*
 * Structured logs: a named event with fields, one line each, text or JSON, on a descriptor (stderr, where
 * podd collects it). A struct log carries fields that every event through it inherits: the program's, then
 * a connection's (conn=, peer=), then a message's (trace=). Peers' bytes are quoted; credentials never go in.
 *
 * log_setup runs once before threads start. log_event is thread-safe: a line is one write(2) of at most
 * PIPE_BUF bytes. Long values are cut ("..."); a field that does not fit any more is left out and counted.
 * A struct log belongs to whoever embeds it and must outlive its children.
 *
 * A thread whose lines would delay answers that somebody waits for gathers them, up to PIPE_BUF bytes, and
 * writes them when those are out. Warnings and errors are written at once, with what was before them. What is
 * gathered is lost where the process is killed.
 */
#ifndef POD_BASE_LOG_H
#define POD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum log_level { LOGL_DEBUG, LOGL_INFO, LOGL_NOTICE, LOGL_WARNING, LOGL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* program: the name in every line, kept by pointer. */
void log_setup(const char *program, int fd, enum log_format format, enum log_level least);
bool log_enabled(enum log_level level);
/* "debug".."error"; -POD_E_SYNTAX otherwise. */
int log_level_parse(struct span name, enum log_level *ret_level);

enum log_field_type { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_SPAN, LOG_FIELD_INT, LOG_FIELD_UINT };

struct log_field {
	enum log_field_type type;
	const char *name;
	union {
		const char *s;
		struct span span;
		int64_t i;
		uint64_t u;
	} v;
};

#define F_STR(n, x)  ((struct log_field){ LOG_FIELD_STR, (n), { .s = (x) } })
#define F_SPAN(n, x) ((struct log_field){ LOG_FIELD_SPAN, (n), { .span = (x) } })
#define F_INT(n, x)  ((struct log_field){ LOG_FIELD_INT, (n), { .i = (int64_t) (x) } })
#define F_UINT(n, x) ((struct log_field){ LOG_FIELD_UINT, (n), { .u = (uint64_t) (x) } })
/* The text of a -POD_E_* code, and of a struct err. */
#define F_CODE(r) F_STR("error", err_code_text(r))
#define F_ERR(e)  F_STR("error", err_text(e))

#define LOG_FIELDS_MAX 6

struct log {
	const struct log *parent;                /* NULL: the program itself */
	struct log_field fields[LOG_FIELDS_MAX]; /* up to the first LOG_FIELD_END or all */
};

/* event is "noun.what_happened", a literal. log may be NULL (only the program's fields). */
#define log_event(log, level, event, ...)                                                              \
	do {                                                                                           \
		if (log_enabled(level))                                                                \
			log_write((log), (level), (event),                                             \
			          (const struct log_field[]){                                          \
					  __VA_ARGS__ __VA_OPT__(, ){ LOG_FIELD_END, NULL, { 0 } } }); \
	} while (0)

void log_write(const struct log *log, enum log_level level, const char *event,
               const struct log_field *fields);

/* The calling thread gathers its lines until log_at_once, and has to call log_flush soon after each. */
void log_gather(void);
void log_at_once(void);
/* Writes what the calling thread has gathered. */
void log_flush(void);

#endif
