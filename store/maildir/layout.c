#include "store/maildir/layout.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/fnv.h"
#include "store/maildir/folder.h"

bool layout_user_is_valid(struct span id)
{
	if (id.len == 0 || id.len > LAYOUT_USER_MAX || id.p[0] == '.')
		return false;
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.p[i];

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* FNV-1a folded to a byte: part of the format on disk. */
static unsigned int user_spread(struct span id)
{
	uint32_t h = fnv32(FNV32_START, id);

	return (h ^ h >> 8 ^ h >> 16 ^ h >> 24) & 0xff;
}

void layout_set(struct layout_path *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->s, sizeof(p->s), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t) n < sizeof(p->s));
}

void layout_add(struct layout_path *p, const char *more)
{
	size_t len = strlen(p->s);
	int n = snprintf(p->s + len, sizeof(p->s) - len, "/%s", more);

	assert(n >= 0 && (size_t) n < sizeof(p->s) - len);
}

void layout_user_parent(struct layout_path *p, struct span id)
{
	layout_set(p, LAYOUT_USERS "/%02x", user_spread(id));
}

void layout_user(struct layout_path *p, struct span id)
{
	layout_set(p, LAYOUT_USERS "/%02x/" SPAN_FMT, user_spread(id), SPAN_ARG(id));
}

void layout_mailbox(struct layout_path *p, struct span id, struct span name)
{
	char folder[FOLDER_SIZE] = "";
	int r = maildir_folder_format(name, folder);

	assert(r == 0); /* names are checked where they come in */
	(void) r;
	layout_user(p, id);
	layout_add(p, "Maildir");
	if (strcmp(folder, ".") != 0)
		layout_add(p, folder);
}
