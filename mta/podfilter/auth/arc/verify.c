/* Whether a chain holds (RFC 8617 5.2). */
#include <string.h>

#include "base/base64.h"
#include "mta/podfilter/auth/arc/arc.h"

struct arc_verifier {
	struct arena *a;
	const struct fields *fields;
	struct arc_chain *chain;
	enum canon header;
	struct canon_body body;
	bool wants_body;
	char why[256];
};

static const char *const result_names[] = {
	[ARC_NONE] = "none", [ARC_PASS] = "pass", [ARC_FAIL] = "fail", [ARC_TEMPERROR] = "temperror"
};

const char *arc_result_name(enum arc_result result)
{
	return result_names[result];
}

void arc_seal_input(struct buf *out, const struct arc_set *sets, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i <= n; i++) {
		canon_field(out, CANON_RELAXED, sets[i - 1].aar);
		canon_field(out, CANON_RELAXED, sets[i - 1].ams);
		if (i < n)
			canon_field(out, CANON_RELAXED, sets[i - 1].seal);
		else
			canon_signature_field(out, CANON_RELAXED, sets[i - 1].seal);
	}
}

static const struct arc_set *newest(const struct arc_verifier *v)
{
	return &v->chain->sets[v->chain->n - 1];
}

static int begin_body(struct arc_verifier *v, struct err *err)
{
	enum canon body;
	struct span l;

	if (canon_parse(tags_get(&newest(v)->ams_tags, "c"), &v->header, &body) < 0)
		return err_set(err, POD_E_SYNTAX, "c= is not known");
	/* a part of the body that nobody vouches for is what l= leaves open to whoever comes by */
	if (tags_find(&newest(v)->ams_tags, "l", &l))
		return err_set(err, POD_E_DENIED, "l= leaves the end of the body unsigned");
	if (!tags_list_has(tags_get(&newest(v)->ams_tags, "h"), SPAN_LIT("from")))
		return err_set(err, POD_E_SYNTAX, "From is not signed");
	return canon_body_init(&v->body, body, err);
}

int arc_verifier_create(struct arena *a, const struct fields *fields, struct arc_verifier **ret_v,
                        struct err *err)
{
	struct arc_verifier *v = arena_new(a, struct arc_verifier);
	struct err why = { 0 };
	int r;

	if (!v)
		return err_set(err, POD_E_NOMEM, "ARC");
	v->a = a;
	v->fields = fields;
	r = arc_chain_read(a, fields, &v->chain, err);
	if (r < 0)
		return r;
	if (v->chain->n && !v->chain->broken) {
		r = begin_body(v, &why);
		if (r == -POD_E_NOMEM)
			return err_set(err, POD_E_NOMEM, "ARC");
		v->wants_body = r == 0;
		if (r < 0) {
			v->chain->broken = true;
			(void) strncat(v->chain->why, err_text(&why), sizeof(v->chain->why) - 1);
		}
	}
	*ret_v = v;
	return 0;
}

void arc_verifier_body(struct arc_verifier *v, struct span bytes)
{
	if (v->wants_body)
		canon_body_add(&v->body, bytes);
}

static int check_expiry(const struct tag_list *tags, int64_t now_s, struct err *err)
{
	uint64_t x;

	if (span_to_u64(tags_get(tags, "x"), &x) == 0 && (int64_t) x < now_s)
		return err_set(err, POD_E_AUTH, "the signature has expired");
	return 0;
}

/* The signature over bytes that a tag list describes. */
static int check_signature(struct arc_verifier *v, const struct lookup *l, const struct tag_list *tags,
                           struct span bytes, struct err *err)
{
	struct public_key key = { 0 };
	enum key_type type;
	int r;

	if (key_algorithm_parse(tags_get(tags, "a"), &type) < 0)
		return err_set(err, POD_E_UNSUPPORTED, "a= is not known");
	r = public_key_find(l, v->a, tags_get(tags, "s"), tags_get(tags, "d"), &key, err);
	if (r < 0)
		return r;
	r = key.type == type ? public_key_check(&key, v->a, bytes, tags_get(tags, "b"), err)
	                     : err_set(err, POD_E_AUTH, "the key is for another algorithm");
	public_key_done(&key);
	return r;
}

static int check_ams(struct arc_verifier *v, const struct lookup *l, int64_t now_s, struct err *err)
{
	const struct tag_list *tags = &newest(v)->ams_tags;
	_cleanup_buf_ struct buf input = BUF_INIT;
	uint8_t hash[CANON_HASH_SIZE];
	struct span bh;
	int r = canon_body_end(&v->body, hash, err);

	if (r < 0)
		return r;
	if (base64_decode(v->a, tags_squeeze(v->a, tags_get(tags, "bh")), &bh) < 0 ||
	    !span_eq(bh, span_make(hash, sizeof(hash))))
		return err_set(err, POD_E_AUTH, "the body was changed");
	r = check_expiry(tags, now_s, err);
	if (r == 0)
		r = canon_signed_fields(&input, v->header, v->fields, tags_get(tags, "h"), v->a, err);
	if (r < 0)
		return r;
	canon_signature_field(&input, v->header, newest(v)->ams);
	if (input.failed)
		return err_set(err, POD_E_NOMEM, "ARC");
	return check_signature(v, l, tags, buf_span(&input), err);
}

static int check_seal(struct arc_verifier *v, const struct lookup *l, unsigned int i, struct err *err)
{
	_cleanup_buf_ struct buf input = BUF_INIT;

	arc_seal_input(&input, v->chain->sets, 1, i);
	if (input.failed)
		return err_set(err, POD_E_NOMEM, "ARC");
	return check_signature(v, l, &v->chain->sets[i - 1].seal_tags, buf_span(&input), err);
}

static int check_chain(struct arc_verifier *v, const struct lookup *l, int64_t now_s, struct err *err)
{
	int r = check_ams(v, l, now_s, err);

	if (r < 0)
		return err_wrap(err, r, "ARC-Message-Signature i=%u", v->chain->n);
	for (unsigned int i = v->chain->n; r == 0 && i >= 1; i--) {
		r = check_seal(v, l, i, err);
		if (r < 0)
			return err_wrap(err, r, "ARC-Seal i=%u", i);
	}
	return r;
}

int arc_verifier_end(struct arc_verifier *v, const struct lookup *l, int64_t now_s,
                     struct arc_verdict *ret_verdict, struct err *err)
{
	struct arc_verdict verdict = { .chain = v->chain, .why = "" };
	struct err why = { 0 };
	int r;

	if (v->chain->highest == 0 && !v->chain->broken) {
		verdict.result = ARC_NONE;
	} else if (v->chain->broken) {
		verdict.result = ARC_FAIL;
		verdict.why = v->chain->why;
	} else {
		r = check_chain(v, l, now_s, &why);
		if (r == -POD_E_NOMEM)
			return err_set(err, POD_E_NOMEM, "ARC");
		verdict.result = r == 0 ? ARC_PASS : r == -POD_E_UNAVAILABLE ? ARC_TEMPERROR : ARC_FAIL;
		verdict.why = r < 0 ? arena_str(v->a, span_of(err_text(&why))) : "";
		if (r == 0)
			verdict.sealer = tags_get(&newest(v)->seal_tags, "d");
	}
	*ret_verdict = verdict;
	return verdict.why ? 0 : err_set(err, POD_E_NOMEM, "ARC");
}

struct arc_verifier *arc_verifier_free(struct arc_verifier *v)
{
	if (v)
		canon_body_done(&v->body);
	return NULL;
}
