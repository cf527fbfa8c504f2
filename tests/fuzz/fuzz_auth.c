/* What a stranger's header and a stranger's DNS say of who sent a message. The DNS answers with a part of the
 * input. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "mime/header.h"
#include "mta/podfilter/auth/results/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void ask(void *ctx, enum dns_type type, const char *name, struct arena *a, struct dns_answer *ret)
{
	const struct span *record = ctx;

	*ret = (struct dns_answer){
		.type = type, .outcome = DNS_NXDOMAIN, .name = name, .canonical = name, .why = ""
	};
	if (type == DNS_TXT && record->len) {
		ret->outcome = DNS_FOUND;
		ret->n = 1;
		ret->txt = record;
	}
}

static void check_chain(struct arena *a, const struct fields *fields, struct span body,
                        const struct lookup *l)
{
	struct arc_verifier *v;
	struct arc_verdict verdict;

	if (arc_verifier_create(a, fields, &v, NULL) < 0)
		return;
	arc_verifier_body(v, body);
	if (arc_verifier_end(v, l, 1790000000, &verdict, NULL) == 0) {
		CHECK(verdict.result != ARC_PASS); /* nobody can have signed this */
		CHECK(verdict.result != ARC_FAIL || *verdict.why);
		CHECK(verdict.chain->n <= ARC_SETS_MAX);
	}
	(void) arc_verifier_free(v);
}

static void check_records(struct arena *a, struct span text)
{
	struct dns_answer answer = { .type = DNS_TXT, .outcome = DNS_FOUND, .n = 1, .txt = &text };
	const char *record = dmarc_record_text(a, &answer);
	struct dmarc_record dmarc;
	struct public_key key = { 0 };

	if (record && dmarc_record_parse(a, "example.org", record, &dmarc, NULL) == 0)
		CHECK(dmarc.pct <= 100 && dmarc.rua && dmarc.fo);
	if (public_key_parse(a, text, &key, NULL) == 0)
		CHECK(key.pkey && key.bits);
	public_key_done(&key);
	CHECK(results_authserv_id(a, text).len <= text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
	struct span rest, record = span_split(span_make(data, len), 0, &rest), header = mime_header_of(rest);
	struct lookup l = { .ask = ask, .ctx = &record };
	struct fields fields = { 0 };
	struct mime_field f;
	struct span left = header;
	const char *domain;

	while (mime_field_next(&left, &f))
		if (fields_add(&fields, a, f.name, f.value, NULL) < 0)
			return 0;
	check_records(a, record);
	check_chain(a, &fields, span_skip(rest, header.len), &l);
	if (dmarc_from_domain(a, &fields, &domain, NULL) == 0)
		CHECK(dns_name_is_valid(domain));
	return 0;
}
