/* A key as the DNS has it. */
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/buf.h"
#include "mta/podfilter/auth/keys/keys.h"

/* RFC 6376 3.6.1: SubjectPublicKeyInfo; RFC 8463 4.2: the 32 bytes themselves. */
static int public_bytes(struct arena *a, const struct signing_key *key, struct span *ret, struct err *err)
{
	unsigned char raw[32], *der = NULL;
	size_t len = sizeof(raw);
	int n;

	if (key->type == KEY_ED25519) {
		*ret = EVP_PKEY_get_raw_public_key(key->pkey, raw, &len) == 1
		               ? arena_dup(a, span_make(raw, len))
		               : SPAN_NONE;
	} else {
		n = i2d_PUBKEY(key->pkey, &der);
		*ret = n > 0 ? arena_dup(a, span_make(der, (size_t) n)) : SPAN_NONE;
		OPENSSL_free(der);
	}
	return ret->p ? 0 : err_set(err, POD_E_INTERNAL, "the public half of %s", key->selector);
}

int keys_record(struct arena *a, const struct signing_key *key, const char **ret_record, struct err *err)
{
	struct span bytes, text = SPAN_NONE;
	int r = public_bytes(a, key, &bytes, err);

	if (r == 0)
		text = base64_encode(a, bytes);
	if (r < 0)
		return r;
	*ret_record = text.p ? arena_printf(a, "v=DKIM1; k=%s; p=" SPAN_FMT, key_type_name(key->type),
	                                    SPAN_ARG(text))
	                     : NULL;
	return *ret_record ? 0 : err_set(err, POD_E_NOMEM, "DKIM record");
}

int keys_zone_line(struct arena *a, const struct signing_key *key, const char **ret_line, struct err *err)
{
	_cleanup_buf_ struct buf line = BUF_INIT;
	const char *record;
	struct span rest;
	int r = keys_record(a, key, &record, err);

	if (r < 0)
		return r;
	buf_printf(&line, "%s._domainkey.%s. 3600 IN TXT (", key->selector, key->domain);
	for (rest = span_of(record); rest.len; rest = span_skip(rest, 250))
		buf_printf(&line, " \"" SPAN_FMT "\"", SPAN_ARG(span_head(rest, 250)));
	buf_add_str(&line, " )");
	*ret_line = line.failed ? NULL : arena_str(a, buf_span(&line));
	return *ret_line ? 0 : err_set(err, POD_E_NOMEM, "DKIM record");
}

static const char *const published_names[] = { [KEY_PUBLISHED] = "published",
	                                       [KEY_UNPUBLISHED] = "missing",
	                                       [KEY_DIFFERENT] = "different",
	                                       [KEY_UNKNOWN] = "unknown" };

const char *key_published_name(enum key_published p)
{
	return published_names[p];
}

enum key_published keys_check_published(const struct lookup *l, struct arena *a,
                                        const struct signing_key *key, const char **ret_why)
{
	enum key_published p = KEY_DIFFERENT;
	struct public_key found = { 0 };
	struct err err = { 0 };
	int r = public_key_find(l, a, span_of(key->selector), span_of(key->domain), &found, &err);

	*ret_why = "";
	if (r == 0 && EVP_PKEY_eq(found.pkey, key->pkey) == 1)
		p = KEY_PUBLISHED;
	else if (r == 0)
		*ret_why = "the DNS has another key under this selector";
	else
		*ret_why = arena_str(a, span_of(err_text(&err))) ?: "";
	if (r == -POD_E_NOTFOUND)
		p = KEY_UNPUBLISHED;
	else if (r == -POD_E_UNAVAILABLE || r == -POD_E_NOMEM)
		p = KEY_UNKNOWN;
	public_key_done(&found);
	return p;
}
