/* IMAP URLs: what is read is whole, and what is signed is the beginning of what was said. */
#include "base/cleanup.h"
#include "mime/imap_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 10);
	struct imap_url u, again;

	if (!a || imap_url_parse(span_make(data, len), a, &u) < 0)
		return 0;
	if (!u.user[0] || !u.host[0] || !u.mailbox[0] || u.uid == 0 || u.rump.p != data || u.rump.len > len)
		__builtin_trap();
	/* The rump says the same by itself, but for the token. */
	if (imap_url_parse(u.rump, a, &again) < 0 || again.token.len || again.uid != u.uid ||
	    strcmp(again.mailbox, u.mailbox) != 0 || strcmp(again.access_user, u.access_user) != 0)
		__builtin_trap();
	return 0;
}
