#include "mta/podfilter/auth/mailauth.h"

#include <stdlib.h>

#include "base/clock.h"

int mailauth_open(const char *keys_dir, struct mailauth **ret_auth, struct err *err)
{
	struct mailauth *m = calloc(1, sizeof(*m));
	int r = m ? dkim_library_create(&m->dkim, err) : err_set(err, POD_E_NOMEM, "authentication");

	if (r == 0)
		r = dmarc_create("", &m->dmarc, err);
	if (r == 0)
		r = keys_open(keys_dir, &m->keys, err);
	if (r < 0)
		(void) mailauth_close(m);
	else
		*ret_auth = m;
	return r;
}

struct mailauth *mailauth_close(struct mailauth *m)
{
	if (!m)
		return NULL;
	(void) keys_close(m->keys);
	(void) dmarc_free(m->dmarc);
	(void) dkim_library_free(m->dkim);
	free(m);
	return NULL;
}

int mailauth_check_sender(const struct lookup *l, struct arena *a, const struct spf_question *q,
                          struct auth_results *r, struct err *err)
{
	int s = spf_check(l, a, q, SPF_MAILFROM, &r->spf, err);

	r->helo_spf = r->spf;
	if (s == 0 && r->spf.identity == SPF_MAILFROM)
		s = spf_check(l, a, q, SPF_HELO, &r->helo_spf, err);
	return s;
}

static int check_dkim(const struct mailauth *m, const struct lookup *l, struct arena *a,
                      const struct fields *fields, struct span body, struct auth_results *r, struct err *err)
{
	struct dkim_verifier *v;
	int s = dkim_verifier_create(m->dkim, a, fields, l, &v, err);

	if (s < 0)
		return s;
	dkim_verifier_body(v, body);
	s = dkim_verifier_end(v, &r->dkim, err);
	(void) dkim_verifier_free(v);
	return s;
}

static int check_arc(const struct lookup *l, struct arena *a, const struct fields *fields, struct span body,
                     struct auth_results *r, struct err *err)
{
	struct arc_verifier *v;
	int s = arc_verifier_create(a, fields, &v, err);

	if (s < 0)
		return s;
	arc_verifier_body(v, body);
	s = arc_verifier_end(v, l, clock_wall_s(), &r->arc, err);
	(void) arc_verifier_free(v);
	return s;
}

int mailauth_check_message(const struct mailauth *m, const struct lookup *l, struct arena *a,
                           const struct fields *fields, struct span body, unsigned int chance,
                           struct auth_results *r, struct err *err)
{
	int s = check_dkim(m, l, a, fields, body, r, err);

	if (s == 0)
		s = check_arc(l, a, fields, body, r, err);
	return s == 0 ? dmarc_check(m->dmarc, l, a, fields, &r->spf, &r->dkim, chance, &r->dmarc, err) : s;
}

static bool list_has(const char *list, struct span domain)
{
	struct span rest = span_of(list);

	while (rest.len)
		if (span_eq_nocase(span_trim(span_split(rest, ',', &rest)), domain))
			return true;
	return false;
}

bool mailauth_is_vouched_for(const struct auth_results *r, const char *trusted)
{
	const struct arc_chain *chain = r->arc.chain;

	if (r->arc.result != ARC_PASS)
		return false;
	for (unsigned int i = 0; i < chain->n; i++)
		if (!list_has(trusted, tags_get(&chain->sets[i].seal_tags, "d")))
			return false;
	return results_say(chain->sets[0].results, SPAN_LIT("dmarc"), SPAN_LIT("pass"));
}

const char *mailauth_signed_by(const struct mailauth *m, const struct auth_results *r)
{
	const char *first = NULL;

	for (size_t i = 0; i < r->dkim.n; i++) {
		const struct dkim_signature *s = &r->dkim.signatures[i];

		if (s->result != DKIM_RESULT_PASS)
			continue;
		if (*r->dmarc.from_domain &&
		    dmarc_is_aligned(m->dmarc, r->dmarc.from_domain, s->domain, false))
			return s->domain;
		first = first ? first : s->domain;
	}
	return first;
}
