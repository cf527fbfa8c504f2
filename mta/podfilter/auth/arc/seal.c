/* Our own set on top of a chain (RFC 8617 5.1). */
#include <inttypes.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "mta/podfilter/auth/arc/arc.h"
#include "mta/podfilter/auth/fold.h"
#include "mta/podfilter/auth/signed_names.h"

/*
 * What a handler behind us must be able to rely on, where it is there. Not Received, Return-Path and
 * Authentication-Results, which handlers add and take away, and no ARC field but by the seal (RFC
 * 8617 4.1.2).
 */
static const char *const signed_names[] = {
	SIGNED_NAMES_OF_ALL,
	SIGNED_NAMES_OF_PARTS,
	"Resent-From",
	"Resent-To",
	"Resent-Date",
	"List-Id",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
	"DKIM-Signature",
};

struct arc_sealer {
	struct arena *a;
	const struct signing_key *key;
	struct canon_body body;
};

int arc_sealer_create(struct arena *a, const struct signing_key *key, struct arc_sealer **ret_sealer,
                      struct err *err)
{
	struct arc_sealer *s = arena_new(a, struct arc_sealer);
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "ARC");
	*s = (struct arc_sealer){ .a = a, .key = key };
	r = canon_body_init(&s->body, CANON_RELAXED, err);
	if (r == 0)
		*ret_sealer = s;
	return r;
}

void arc_sealer_body(struct arc_sealer *s, struct span bytes)
{
	canon_body_add(&s->body, bytes);
}

struct arc_sealer *arc_sealer_free(struct arc_sealer *s)
{
	if (s)
		canon_body_done(&s->body);
	return NULL;
}

/* h=, each name as often as its field is there, so that none of them can be doubled or taken away unseen. */
static struct span names_signed(struct arena *a, const struct fields *fields)
{
	_cleanup_buf_ struct buf names = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(signed_names); i++) {
		size_t n = fields_count(fields, signed_names[i]);

		for (size_t k = 0; k < n && k < 20; k++)
			buf_printf(&names, "%s%s", names.len ? ":" : "", signed_names[i]);
	}
	return names.failed ? SPAN_NONE : arena_dup(a, buf_span(&names));
}

static int field_of(struct arc_sealer *s, struct buf *value, const char *name, struct field *ret,
                    struct err *err)
{
	*ret = (struct field){ .name = span_of(name), .value = arena_dup(s->a, buf_span(value)), .nth = 1 };
	return value->failed || !ret->value.p ? err_set(err, POD_E_NOMEM, "ARC") : 0;
}

static int make_aar(struct arc_sealer *s, unsigned int i, struct span results, struct field *ret,
                    struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT;

	buf_printf(&value, " i=%u; " SPAN_FMT, i, SPAN_ARG(results));
	return field_of(s, &value, "ARC-Authentication-Results", ret, err);
}

/* Signs what `input` and the field so far are, and ends the field with the signature. */
static int sign_field(struct arc_sealer *s, struct buf *input, struct buf *value, struct field *field,
                      struct err *err)
{
	struct span sig;
	int r;

	canon_signature_field(input, CANON_RELAXED, field);
	if (input->failed)
		return err_set(err, POD_E_NOMEM, "ARC");
	r = signing_key_sign(s->key, s->a, buf_span(input), &sig, err);
	if (r < 0)
		return r;
	fold_base64(value, sig);
	field->value = arena_dup(s->a, buf_span(value));
	return value->failed || !field->value.p ? err_set(err, POD_E_NOMEM, "ARC") : 0;
}

static int make_ams(struct arc_sealer *s, unsigned int i, const struct fields *fields, int64_t now_s,
                    struct field *ret, struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT, input = BUF_INIT;
	struct span names = names_signed(s->a, fields), bh;
	uint8_t hash[CANON_HASH_SIZE];
	int r = canon_body_end(&s->body, hash, err);

	if (r < 0)
		return r;
	bh = base64_encode(s->a, span_make(hash, sizeof(hash)));
	if (!names.p || !bh.p)
		return err_set(err, POD_E_NOMEM, "ARC");
	buf_printf(
		&value,
		" i=%u; a=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n\tt=%" PRId64 "; bh=" SPAN_FMT ";\r\n\th=", i,
		key_algorithm_name(s->key->type), s->key->domain, s->key->selector, now_s, SPAN_ARG(bh));
	fold_names(&value, names);
	buf_add_str(&value, "\r\n\tb=");
	r = field_of(s, &value, "ARC-Message-Signature", ret, err);
	if (r == 0)
		r = canon_signed_fields(&input, CANON_RELAXED, fields, names, s->a, err);
	return r == 0 ? sign_field(s, &input, &value, ret, err) : r;
}

static int make_seal(struct arc_sealer *s, struct arc_set *sets, unsigned int i, enum arc_result cv,
                     int64_t now_s, struct field *ret, struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT, input = BUF_INIT;
	int r;

	buf_printf(&value, " i=%u; a=%s; t=%" PRId64 "; cv=%s;\r\n\td=%s; s=%s;\r\n\tb=", i,
	           key_algorithm_name(s->key->type), now_s, arc_result_name(cv), s->key->domain,
	           s->key->selector);
	r = field_of(s, &value, "ARC-Seal", ret, err);
	if (r < 0)
		return r;
	/* RFC 8617 5.1.2: the seal of a failure covers its own set alone */
	for (unsigned int k = 1; k < i && cv == ARC_PASS; k++) {
		canon_field(&input, CANON_RELAXED, sets[k - 1].aar);
		canon_field(&input, CANON_RELAXED, sets[k - 1].ams);
		canon_field(&input, CANON_RELAXED, sets[k - 1].seal);
	}
	canon_field(&input, CANON_RELAXED, sets[i - 1].aar);
	canon_field(&input, CANON_RELAXED, sets[i - 1].ams);
	return sign_field(s, &input, &value, ret, err);
}

int arc_sealer_end(struct arc_sealer *s, const struct fields *fields, const struct arc_verdict *verdict,
                   struct span results, int64_t now_s, struct field ret_fields[3], struct err *err)
{
	unsigned int i = verdict->chain->highest + 1;
	struct arc_set *sets = arena_array(s->a, ARC_SETS_MAX + 1, sizeof(*sets));
	struct field made[3];
	int r;

	if (!sets)
		return err_set(err, POD_E_NOMEM, "ARC");
	if (verdict->chain->failed_before || i > ARC_SETS_MAX || verdict->result == ARC_TEMPERROR)
		return err_set(err, POD_E_UNSUPPORTED, "the chain takes no further seal");
	memcpy(sets, verdict->chain->sets, ARC_SETS_MAX * sizeof(*sets));
	r = make_aar(s, i, results, &made[2], err);
	if (r == 0)
		r = make_ams(s, i, fields, now_s, &made[1], err);
	if (r < 0)
		return r;
	sets[i - 1] = (struct arc_set){ .aar = &made[2], .ams = &made[1] };
	r = make_seal(s, sets, i, verdict->result, now_s, &made[0], err);
	if (r == 0)
		memcpy(ret_fields, made, sizeof(made));
	return r;
}
