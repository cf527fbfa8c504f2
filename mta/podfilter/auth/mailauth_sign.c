/* The signing half of mailauth.h. */
#include "mta/podfilter/auth/mailauth.h"

#include <string.h>

#include "mime/header.h"

static int sign_with(const struct mailauth *m, struct arena *a, const struct fields *fields, struct span body,
                     const struct signing_key *key, struct field *ret_field, struct err *err)
{
	struct dkim_signer *s;
	int r = dkim_signer_create(m->dkim, a, fields, key, &s, err);

	if (r < 0)
		return r;
	dkim_signer_body(s, body);
	r = dkim_signer_end(s, ret_field, err);
	(void) dkim_signer_free(s);
	return r;
}

int mailauth_sign(const struct mailauth *m, struct arena *a, const struct fields *fields, struct span body,
                  const char *domain, struct field *ret_fields, size_t *ret_n, struct err *err)
{
	struct key_list list;
	size_t n = 0;
	int r = keys_read(m->keys, a, domain, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		struct signing_key key = { 0 };

		if (list.keys[i].state != KEY_ACTIVE)
			continue;
		r = keys_load(m->keys, a, domain, &list.keys[i], &key, err);
		if (r == 0)
			r = sign_with(m, a, fields, body, &key, &ret_fields[n], err);
		keys_release(&key);
		if (r == 0)
			n++;
	}
	if (r == 0)
		*ret_n = n;
	return r;
}

bool mailauth_signs_for(const struct mailauth *m, struct arena *a, const char *domain)
{
	struct key_list list;

	if (keys_read(m->keys, a, domain, &list, NULL) < 0)
		return false;
	for (size_t i = 0; i < list.n; i++)
		if (list.keys[i].state == KEY_ACTIVE)
			return true;
	return false;
}

/* From's domain, or one above it. NULL: none of them has keys. */
static const char *own_domain(const struct mailauth *m, struct arena *a, const struct fields *fields,
                              const char *other)
{
	const char *domain = NULL;

	if (dmarc_from_domain(a, fields, &domain, NULL) < 0)
		domain = NULL;
	while (domain && !mailauth_signs_for(m, a, domain)) {
		const char *dot = strchr(domain, '.');

		domain = dot ? dot + 1 : NULL;
	}
	return domain ? domain : *other && mailauth_signs_for(m, a, other) ? other : NULL;
}

int mailauth_sign_own(const struct mailauth *m, struct arena *a, struct span message, const char *other,
                      struct buf *out, const char **ret_domain, struct err *err)
{
	struct span header = mime_header_of(message), rest = header;
	struct field made[KEYS_MAX];
	struct fields fields = { 0 };
	const char *domain;
	struct mime_field f;
	size_t n = 0;
	int r = 0;

	while (r == 0 && mime_field_next(&rest, &f))
		r = fields_add(&fields, a, f.name, f.value, err);
	domain = r == 0 ? own_domain(m, a, &fields, other) : NULL;
	if (domain)
		r = mailauth_sign(m, a, &fields, span_skip(message, header.len), domain, made, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		buf_printf(out, SPAN_FMT ":" SPAN_FMT "\r\n", SPAN_ARG(made[i].name), SPAN_ARG(made[i].value));
	if (r == 0 && out->failed)
		r = err_set(err, POD_E_NOMEM, "signing");
	if (r == 0 && n && ret_domain)
		*ret_domain = domain;
	return r;
}

/* Of RSA, which every verifier of ARC knows. */
static int sealing_key(const struct mailauth *m, struct arena *a, const char *domain,
                       struct signing_key *ret_key, struct err *err)
{
	struct key_list list;
	int r = keys_read(m->keys, a, domain, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++)
		if (list.keys[i].state == KEY_ACTIVE && list.keys[i].type == KEY_RSA)
			return keys_load(m->keys, a, domain, &list.keys[i], ret_key, err);
	return err_set(err, POD_E_NOTFOUND, "%s has no active RSA key", domain);
}

int mailauth_seal(const struct mailauth *m, struct arena *a, const struct fields *fields, struct span body,
                  const char *domain, const struct auth_results *r, int64_t now_s, struct field ret_fields[3],
                  struct err *err)
{
	struct span results = results_format(a, r);
	struct signing_key key = { 0 };
	struct arc_sealer *s;
	int e = results.p ? sealing_key(m, a, domain, &key, err) : err_set(err, POD_E_NOMEM, "ARC");

	if (e == 0) {
		e = arc_sealer_create(a, &key, &s, err);
		if (e == 0) {
			arc_sealer_body(s, body);
			e = arc_sealer_end(s, fields, &r->arc, results, now_s, ret_fields, err);
			(void) arc_sealer_free(s);
		}
	}
	keys_release(&key);
	return e;
}
