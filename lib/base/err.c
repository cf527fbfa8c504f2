#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#undef err_set
#undef err_errno
#undef err_wrap

static const struct {
	const char *name, *text;
} errors[] = {
	[POD_E_NONE] = { "NONE", "no error" },
#define X(name, text) [POD_E_##name] = { #name, text },
	POD_ERRORS(X)
#undef X
};

static const struct {
	int errnum;
	enum pod_error code;
} errno_map[] = {
	{ ENOMEM, POD_E_NOMEM },       { ENOENT, POD_E_NOTFOUND },       { EEXIST, POD_E_EXISTS },
	{ EACCES, POD_E_DENIED },      { EPERM, POD_E_DENIED },          { ENOSPC, POD_E_NOSPACE },
	{ EDQUOT, POD_E_NOSPACE },     { ETIMEDOUT, POD_E_TIMEOUT },     { ECONNREFUSED, POD_E_UNAVAILABLE },
	{ ECONNRESET, POD_E_UNAVAILABLE }, { EPIPE, POD_E_UNAVAILABLE }, { EBUSY, POD_E_BUSY },
	{ ECANCELED, POD_E_CANCELLED }, { EMFILE, POD_E_LIMIT },         { ENFILE, POD_E_LIMIT },
	{ ENOTSUP, POD_E_UNSUPPORTED },
};

int err_set(struct err *err, enum pod_error code, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		err->code = code;
		va_start(ap, fmt);
		(void) vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -(int) code;
}

static enum pod_error code_of_errno(int errnum)
{
	for (size_t i = 0; i < ARRAY_SIZE(errno_map); i++)
		if (errno_map[i].errnum == errnum)
			return errno_map[i].code;
	return POD_E_IO;
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	enum pod_error code = code_of_errno(errnum);

	if (err) {
		va_list ap;
		size_t n;

		err->code = (int) code;
		va_start(ap, fmt);
		(void) vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		n = strlen(err->text);
		(void) snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(errnum));
	}
	return -(int) code;
}

int err_wrap(struct err *err, int r, const char *fmt, ...)
{
	if (err) {
		char before[sizeof(err->text)], joined[2 * sizeof(err->text) + 2];
		va_list ap;

		va_start(ap, fmt);
		(void) vsnprintf(before, sizeof(before), fmt, ap);
		va_end(ap);
		(void) snprintf(joined, sizeof(joined), "%s: %s", before, err_text(err));
		joined[sizeof(err->text) - 1] = '\0';
		memcpy(err->text, joined, strlen(joined) + 1);
		err->code = abs(r);
	}
	return r;
}

static unsigned int code_index(int code)
{
	unsigned int n = (unsigned int) abs(code);

	return n < POD_E_END ? n : POD_E_INTERNAL;
}

const char *err_code_text(int code)
{
	return errors[code_index(code)].text;
}

const char *err_code_name(int code)
{
	return errors[code_index(code)].name;
}

const char *err_text(const struct err *err)
{
	return err->text[0] ? err->text : err_code_text(err->code);
}
