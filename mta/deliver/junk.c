#include "mta/deliver/junk.h"

#include <errno.h>
#include <unistd.h>

#include "mime/header.h"

/* Filters insert it at the top, so what stands before it is short. */
#define LOOK_AT 16384

static bool says_spam(struct span beginning)
{
	struct mime_field f;

	return mime_field_find(mime_header_of(beginning), SPAN_LIT("X-Spam"), &f) &&
	       span_eq_nocase(span_trim(f.value), SPAN_LIT("yes"));
}

const char *junk_folder_of(const struct deliver_message *m)
{
	uint8_t buf[LOOK_AT];
	struct span beginning = m->blob;
	ssize_t n;

	if (m->fd >= 0) {
		do
			n = pread(m->fd, buf, sizeof(buf), 0);
		while (n < 0 && errno == EINTR);
		beginning = span_make(buf, n > 0 ? (size_t) n : 0);
	}
	return says_spam(span_head(beginning, LOOK_AT)) ? "Junk" : "";
}
