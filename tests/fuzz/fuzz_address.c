/* Envelope paths survive their canonical form; lists never fail on bytes and their groups are balanced. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "mime/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void check_path(struct arena *a, struct span s, bool utf8)
{
	struct address adr, again;
	struct span canonical;
	struct err err;

	if (address_parse_path(a, s, utf8, &adr, &err) < 0)
		return;
	canonical = address_format(a, &adr);
	CHECK(canonical.p && address_key(a, &adr).p);
	/* quoting may lengthen it beyond what a path may be; then it is refused, never misread */
	if (address_parse_path(a, canonical, utf8, &again, NULL) == 0)
		CHECK(span_eq(adr.local, again.local) && span_eq(adr.domain, again.domain));
	else
		CHECK(canonical.len > 254);
}

static void check_list(struct arena *a, struct span s)
{
	struct address_list list;
	bool in_group = false;
	int r = address_list_parse(a, s, &list);

	CHECK(r == 0 || r == -POD_E_LIMIT);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		const struct address_entry *e = &list.entries[i];

		CHECK(e->kind != ADDRESS_GROUP_START || !in_group);
		CHECK(e->kind != ADDRESS_GROUP_END || in_group);
		CHECK(e->kind != ADDRESS_MAILBOX || (e->local.p && e->domain.p));
		if (e->kind != ADDRESS_MAILBOX)
			in_group = e->kind == ADDRESS_GROUP_START;
	}
	CHECK(r < 0 || !in_group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
	struct span s = span_make(data, len);

	check_path(a, s, false);
	check_path(a, s, true);
	check_list(a, s);
	return 0;
}
