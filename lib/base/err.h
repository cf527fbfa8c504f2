/*
 * Errors. A function that can fail returns 0 (or a count) or -POD_E_*; the struct err that it may be given
 * says in words what happened, for a log line or an admin. Libraries describe, programs log, once.
 */
#ifndef POD_BASE_ERR_H
#define POD_BASE_ERR_H

#include <stdarg.h>

/* clang-format off */
#define POD_ERRORS(X)                                                                                        \
	X(NOMEM,       "out of memory")                                                                      \
	X(SYNTAX,      "malformed input")                                                                    \
	X(LIMIT,       "a limit was exceeded")                                                               \
	X(NOTFOUND,    "not found")                                                                          \
	X(EXISTS,      "exists already")                                                                     \
	X(DENIED,      "permission denied")                                                                  \
	X(AUTH,        "authentication failed")                                                              \
	X(QUOTA,       "mailbox is over quota")                                                              \
	X(FULL,        "volume is full")                                                                     \
	X(NOSPACE,     "no space left on device")                                                            \
	X(UNAVAILABLE, "service is not available")                                                           \
	X(TIMEOUT,     "timed out")                                                                          \
	X(CANCELLED,   "cancelled")                                                                          \
	X(STALE,       "fencing token is stale")                                                             \
	X(BUSY,        "busy")                                                                               \
	X(PROTOCOL,    "protocol violation by the peer")                                                     \
	X(VERSION,     "protocol version not supported")                                                     \
	X(CORRUPT,     "stored data is damaged")                                                             \
	X(IO,          "input/output error")                                                                 \
	X(CONFIG,      "configuration is not valid")                                                         \
	X(UNSUPPORTED, "not supported")                                                                      \
	X(INTERNAL,    "internal error")                                                                     \
	X(CONFLICT,    "changed meanwhile")
/* clang-format on */

/* The numbers travel in the store protocol: append, never reorder. */
enum pod_error {
	POD_E_NONE = 0,
#define X(name, text) POD_E_##name,
	POD_ERRORS(X)
#undef X
	POD_E_END
};

struct err {
	int code; /* POD_E_*, positive; 0 while nothing failed */
	char text[256];
};

/* Sets *err (which may be NULL) and returns -code, so that a failure is one `return err_set(...)`. */
int err_set(struct err *err, enum pod_error code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same from an errno value: maps it to a POD_E_* code and appends strerror() to the text. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "what: " in front of the text already there and returns r unchanged. */
int err_wrap(struct err *err, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
/* clang-tidy sees one file at a time, and would follow paths on which a failure returns 0. */
#define err_set(err, code, ...) (err_set(err, code, __VA_ARGS__), -(int) (code))
#define err_errno(err, errnum, ...) (err_errno(err, errnum, __VA_ARGS__), -(int) POD_E_IO)
#define err_wrap(err, r, ...) (err_wrap(err, r, __VA_ARGS__), (r))
#endif

/* The text of a code, positive or negative; never NULL. And its name, "QUOTA". */
const char *err_code_text(int code);
const char *err_code_name(int code);

/* What *err says, or the text of its code where it says nothing. */
const char *err_text(const struct err *err);

#endif
