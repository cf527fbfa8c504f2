/* MTA-STS: the first byte chooses the TXT record or the policy's file. What is read is whole, and fits itself. */
#include "base/arena.h"
#include "base/cleanup.h"
#include "mta/tlspolicy/sts_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void record(struct span text)
{
	struct span txt[2], rest;
	char id[STS_ID_MAX + 1];

	txt[0] = span_split(text, '\0', &rest);
	txt[1] = rest;
	if (sts_record_id(txt, rest.p ? 2 : 1, id) == 0 && (id[0] == '\0' || strlen(id) > STS_ID_MAX))
		__builtin_trap();
}

static void policy(struct span text)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(256u << 10);
	struct sts_policy p;

	if (!a || sts_policy_parse(text, a, &p, NULL) < 0)
		return;
	if ((p.mode != STS_NONE && p.mx_n == 0) || p.mx_n > STS_MX_MAX || p.max_age_s > STS_MAX_AGE_MAX)
		__builtin_trap();
	for (size_t i = 0; i < p.mx_n; i++)
		if (p.mx[i][0] != '*' && !sts_policy_has_mx(&p, p.mx[i]))
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	if (data[0] == 'r')
		record(span_make(data + 1, len - 1));
	else
		policy(span_make(data + 1, len - 1));
	return 0;
}
