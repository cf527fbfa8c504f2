/*
 * Ed25519 (RFC 8463) without libopendkim, which signs with it and then keeps the key's memory for ever
 * (2.11.0~beta2, dkim_privkey_load). The canonical forms are those of ARC.
 */
#include <inttypes.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/auth/dkim/dkim_internal.h"
#include "mta/podfilter/auth/fold.h"

/* h=: each field as often as it is there, then those that nobody is to add, once more. */
static struct span names_signed(struct arena *a, const struct fields *fields)
{
	_cleanup_buf_ struct buf names = BUF_INIT;

	for (const char *const *name = dkim_signed_names; *name; name++)
		for (size_t n = fields_count(fields, *name); n > 0; n--)
			buf_printf(&names, "%s%s", names.len ? ":" : "", *name);
	for (const char *const *name = dkim_oversigned_names; *name; name++)
		buf_printf(&names, "%s%s", names.len ? ":" : "", *name);
	return names.failed ? SPAN_NONE : arena_dup(a, buf_span(&names));
}

static int sign_value(struct arena *a, const struct fields *fields, const struct signing_key *key,
                      struct span names, struct buf *value, struct err *err)
{
	_cleanup_buf_ struct buf input = BUF_INIT;
	struct field own = { .name = SPAN_LIT("DKIM-Signature"), .value = arena_dup(a, buf_span(value)) };
	struct span sig;
	int r = own.value.p ? canon_signed_fields(&input, CANON_RELAXED, fields, names, a, err)
	                    : err_set(err, POD_E_NOMEM, "DKIM");

	if (r < 0)
		return r;
	canon_signature_field(&input, CANON_RELAXED, &own);
	r = input.failed ? err_set(err, POD_E_NOMEM, "DKIM")
	                 : signing_key_sign(key, a, buf_span(&input), &sig, err);
	if (r == 0)
		fold_base64(value, sig);
	return r;
}

int dkim_sign_ed25519(struct arena *a, const struct fields *fields, const struct signing_key *key,
                      struct canon_body *body, struct buf *value, struct err *err)
{
	struct span names = names_signed(a, fields), bh;
	uint8_t hash[CANON_HASH_SIZE];
	int r = canon_body_end(body, hash, err);

	if (r < 0)
		return r;
	if (fields_count(fields, "From") != 1) /* RFC 6376 5.4: signed in any case, and there can be one */
		return err_set(err, POD_E_SYNTAX, "signing: a message without exactly one From");
	bh = base64_encode(a, span_make(hash, sizeof(hash)));
	if (!names.p || !bh.p)
		return err_set(err, POD_E_NOMEM, "DKIM");
	buf_printf(value,
	           " v=1; a=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n\tt=%" PRId64 "; bh=" SPAN_FMT ";\r\n\th=",
	           key_algorithm_name(key->type), key->domain, key->selector, clock_wall_s(), SPAN_ARG(bh));
	fold_names(value, names);
	buf_add_str(value, "\r\n\tb=");
	return sign_value(a, fields, key, names, value, err);
}
