/* Our own signatures, on mail that goes out. */
#include "mta/podfilter/auth/dkim/dkim_internal.h"

#include <string.h>

#include "base/buf.h"

struct dkim_signer {
	struct arena *a;
	DKIM *dkim;
};

static int fails(struct dkim_signer *s, DKIM_STAT status, struct err *err)
{
	return err_set(err, status == DKIM_STAT_NORESOURCE ? POD_E_NOMEM : POD_E_SYNTAX, "signing: %s",
	               dkim_error_text(s->dkim, status));
}

int dkim_signer_create(const struct dkim_library *library, struct arena *a, const struct fields *fields,
                       const struct signing_key *key, struct dkim_signer **ret_signer, struct err *err)
{
	struct dkim_signer *s = arena_new(a, struct dkim_signer);
	DKIM_STAT status;
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "DKIM");
	s->a = a;
	/* the library copies all of it */
	s->dkim =
		dkim_sign(library->lib, (const unsigned char *) "podmail", NULL,
	                  (dkim_sigkey_t) (uintptr_t) key->text, (const unsigned char *) key->selector,
	                  (const unsigned char *) key->domain, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
	                  key->type == KEY_RSA ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1, &status);
	if (!s->dkim)
		return err_set(err, POD_E_INTERNAL, "libopendkim: %s", dkim_getresultstr(status));
	status = dkim_feed_header(s->dkim, a, fields);
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(s->dkim);
	if (status != DKIM_STAT_OK) {
		r = fails(s, status, err);
		(void) dkim_signer_free(s);
		return r;
	}
	*ret_signer = s;
	return 0;
}

void dkim_signer_body(struct dkim_signer *s, struct span bytes)
{
	/* what goes wrong here shows again at the end */
	(void) dkim_body(s->dkim, (u_char *) (uintptr_t) bytes.p, bytes.len);
}

int dkim_signer_end(struct dkim_signer *s, struct field *ret_field, struct err *err)
{
	static const char name[] = "DKIM-Signature";
	DKIM_STAT status = dkim_eom(s->dkim, NULL);
	struct fields made = { 0 };
	u_char *text = NULL;
	_cleanup_buf_ struct buf value = BUF_INIT;
	size_t len = 0;
	int r;

	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr_d(s->dkim, strlen(name) + 2, &text, &len);
	if (status != DKIM_STAT_OK)
		return fails(s, status, err);
	buf_add_byte(&value, ' ');
	buf_add(&value, span_make(text, len));
	r = value.failed ? err_set(err, POD_E_NOMEM, "DKIM")
	                 : fields_add(&made, s->a, span_of(name), buf_span(&value), err);
	if (r == 0)
		*ret_field = made.items[0];
	return r;
}

struct dkim_signer *dkim_signer_free(struct dkim_signer *s)
{
	if (s)
		(void) dkim_free(s->dkim);
	return NULL;
}
