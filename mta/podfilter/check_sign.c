/*
 * Our signature on what users submit: with the keys of the domain in From where the user may write in its
 * name, which the envelope's sender and the login tell (the mta has checked both); else with those of the
 * sender's or the login's domain, which says where it came from, though not who it is from.
 */
#include <string.h>

#include "mta/podfilter/auth_message.h"
#include "mta/podfilter/checks.h"

static const char *domain_of(const char *address)
{
	const char *at = address ? strrchr(address, '@') : NULL;

	return at ? at + 1 : "";
}

static const char *signing_domain(struct message *m, const struct fields *fields)
{
	const struct mailauth *auth = auth_message_process(m);
	const char *const own[] = { domain_of(m->sender), domain_of(m->login) };
	const char *from = NULL;

	if (dmarc_from_domain(m->arena, fields, &from, NULL) < 0)
		from = "";
	for (size_t i = 0; i < 2; i++)
		if (*from && span_eq_nocase(span_of(from), span_of(own[i])))
			return from;
	for (size_t i = 0; i < 2; i++)
		if (*own[i] && mailauth_signs_for(auth, m->arena, own[i]))
			return own[i];
	return NULL;
}

static void sign(struct message *m, const struct fields *fields, struct span body)
{
	const char *domain = signing_domain(m, fields);
	struct field made[KEYS_MAX];
	struct err err = { 0 };
	size_t n = 0;

	if (!domain)
		return;
	if (mailauth_sign(auth_message_process(m), m->arena, fields, body, domain, made, &n, &err) < 0) {
		/* the mail of users goes out nevertheless: without a signature it is worth less, not nothing
		 */
		log_event(&m->log, LOGL_ERROR, "dkim.not_signed", F_STR("domain", domain), F_ERR(&err));
		return;
	}
	for (size_t i = 0; i < n; i++)
		auth_message_insert(m, &made[i]);
	if (n)
		log_event(&m->log, LOGL_INFO, "dkim.signed", F_STR("domain", domain),
		          F_UINT("signatures", n));
}

static void sign_edit(struct message *m)
{
	struct fields fields;
	struct span body;
	struct err err = { 0 };

	auth_message_remove_forged(m);
	if (!m->session->settings->conf->auth.sign)
		return;
	if (auth_message_read(m, &fields, &body, &err) < 0)
		log_event(&m->log, LOGL_ERROR, "dkim.not_signed", F_ERR(&err));
	else
		sign(m, &fields, body);
}

const struct check check_sign = {
	.name = "sign",
	.directions = CHECK_OUT,
	.edit = sign_edit,
};
