/* Our own signatures, on mail that goes out. */
#include "mta/podfilter/auth/dkim/dkim_internal.h"

#include <string.h>

#include "base/buf.h"

static const char signature_name[] = "DKIM-Signature";

struct dkim_signer {
	struct arena *a;
	const struct fields *fields;
	const struct signing_key *key;
	DKIM *dkim;             /* NULL: the key is of Ed25519 */
	struct canon_body body; /* which then is hashed here */
};

static int fails(struct dkim_signer *s, DKIM_STAT status, struct err *err)
{
	return err_set(err, status == DKIM_STAT_NORESOURCE ? POD_E_NOMEM : POD_E_SYNTAX, "signing: %s",
	               dkim_error_text(s->dkim, status));
}

static int begin_library(const struct dkim_library *library, struct dkim_signer *s, struct err *err)
{
	const struct signing_key *key = s->key;
	DKIM_STAT status;

	/* the library copies all of it */
	s->dkim = dkim_sign(library->lib, (const unsigned char *) "podmail", NULL,
	                    (dkim_sigkey_t) (uintptr_t) key->text, (const unsigned char *) key->selector,
	                    (const unsigned char *) key->domain, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
	                    DKIM_SIGN_RSASHA256, -1, &status);
	if (!s->dkim)
		return err_set(err, POD_E_INTERNAL, "libopendkim: %s", dkim_getresultstr(status));
	status = dkim_feed_header(s->dkim, s->a, s->fields);
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(s->dkim);
	return status == DKIM_STAT_OK ? 0 : fails(s, status, err);
}

int dkim_signer_create(const struct dkim_library *library, struct arena *a, const struct fields *fields,
                       const struct signing_key *key, struct dkim_signer **ret_signer, struct err *err)
{
	struct dkim_signer *s = arena_new(a, struct dkim_signer);
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "DKIM");
	*s = (struct dkim_signer){ .a = a, .fields = fields, .key = key };
	r = key->type == KEY_RSA ? begin_library(library, s, err)
	                         : canon_body_init(&s->body, CANON_RELAXED, err);
	if (r < 0)
		(void) dkim_signer_free(s);
	else
		*ret_signer = s;
	return r;
}

void dkim_signer_body(struct dkim_signer *s, struct span bytes)
{
	if (!s->dkim)
		canon_body_add(&s->body, bytes);
	else /* what goes wrong here shows again at the end */
		(void) dkim_body(s->dkim, (u_char *) (uintptr_t) bytes.p, bytes.len);
}

static int sign_library(struct dkim_signer *s, struct buf *value, struct err *err)
{
	DKIM_STAT status = dkim_eom(s->dkim, NULL);
	u_char *text = NULL;
	size_t len = 0;

	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr_d(s->dkim, strlen(signature_name) + 2, &text, &len);
	if (status != DKIM_STAT_OK)
		return fails(s, status, err);
	buf_add_byte(value, ' ');
	buf_add(value, span_make(text, len));
	return 0;
}

int dkim_signer_end(struct dkim_signer *s, struct field *ret_field, struct err *err)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	struct fields made = { 0 };
	int r = s->dkim ? sign_library(s, &value, err)
	                : dkim_sign_ed25519(s->a, s->fields, s->key, &s->body, &value, err);

	if (r == 0 && value.failed)
		r = err_set(err, POD_E_NOMEM, "DKIM");
	if (r == 0)
		r = fields_add(&made, s->a, span_of(signature_name), buf_span(&value), err);
	if (r == 0)
		*ret_field = made.items[0];
	return r;
}

struct dkim_signer *dkim_signer_free(struct dkim_signer *s)
{
	if (!s)
		return NULL;
	if (s->dkim)
		(void) dkim_free(s->dkim);
	canon_body_done(&s->body);
	return NULL;
}
