/* What the authentication of senders changes in a message's header. */
#include "base/clock.h"
#include "directory/directory.h"
#include "mta/podfilter/auth_message.h"
#include "mta/podfilter/filter_internal.h"

static const char results_name[] = "Authentication-Results";

/* libmilter folds with LF alone, and puts no space of its own where the mta leaves the first to us. */
void auth_message_insert(struct message *m, const struct field *field)
{
	char *name = arena_str(m->arena, field->name), *value = arena_str(m->arena, field->value),
	     *to = value;

	if (!name || !value) {
		message_force(m, VERDICT_TEMPFAIL, NULL);
		return;
	}
	for (const char *p = value; *p; p++)
		if (*p != '\r')
			*to++ = *p;
	*to = '\0';
	message_insert_header(m, 1, name, value);
}

/* RFC 8601 5: whoever trusts our name must be able to trust each field that bears it. From the last to the
 * first. */
void auth_message_remove_forged(struct message *m)
{
	const char *id = m->session->settings->conf->auth.authserv_id;
	unsigned int nth = 0, forged_n = 0;
	unsigned int *forged = arena_array(m->arena, m->headers_n + 1, sizeof(*forged));

	id = *id ? id : m->session->mta_name;
	for (const struct header *h = m->headers; forged && h; h = h->next) {
		if (!span_eq_nocase(h->name, SPAN_LIT("Authentication-Results")))
			continue;
		nth++;
		if (span_eq_nocase(results_authserv_id(m->arena, h->value), span_of(id)))
			forged[forged_n++] = nth;
	}
	while (forged_n > 0)
		message_delete_header(m, results_name, forged[--forged_n]);
}

/* ---- ARC ---- */

/* Whether the recipient is one of ours whose mail goes on to another server; *ret_domain is then the
 * recipient's. */
static bool goes_on(struct message *m, const struct recipient *r, const char **ret_domain)
{
	const char *at = strrchr(r->address, '@');
	struct directory *dir = m->session->filter->directory;
	struct directory_targets targets;

	if (!at || !dir || directory_resolve(dir, m->arena, span_of(r->address), &targets, NULL) < 0)
		return false;
	for (size_t i = 0; i < targets.n; i++)
		if (targets.items[i].kind == TARGET_REMOTE) {
			*ret_domain = at + 1;
			return true;
		}
	return false;
}

/* The domain in whose name we seal, NULL where the message is not sealed. */
static const char *sealing_domain(struct message *m)
{
	const struct conf *conf = m->session->settings->conf;
	const struct mailauth *auth = auth_message_process(m);
	const char *domain = NULL;
	bool wanted = conf->auth.arc == AUTH_ARC_ALL;

	if (conf->auth.arc == AUTH_ARC_OFF)
		return NULL;
	for (const struct recipient *r = m->recipients; r && !(domain && wanted); r = r->next)
		if (goes_on(m, r, &domain))
			wanted = true;
	if (!wanted)
		return NULL;
	return domain && mailauth_signs_for(auth, m->arena, domain) ? domain : conf->pod.domain;
}

void auth_message_seal(struct message *m, struct auth_message *am)
{
	const char *domain = sealing_domain(m);
	struct field fields[3];
	struct err err = { 0 };
	int r;

	if (!domain)
		return;
	r = mailauth_seal(auth_message_process(m), m->arena, &am->fields, am->body, domain, &am->results,
	                  clock_wall_s(), fields, &err);
	/* no key, or a chain that is not to go on: the message goes on without our word */
	if (r < 0) {
		log_event(&m->log, r == -POD_E_NOTFOUND || r == -POD_E_UNSUPPORTED ? LOGL_DEBUG : LOGL_ERROR,
		          "auth.not_sealed", F_STR("domain", domain), F_ERR(&err));
		return;
	}
	for (size_t i = 3; i > 0; i--)
		auth_message_insert(m, &fields[i - 1]);
	log_event(&m->log, LOGL_INFO, "auth.sealed", F_STR("domain", domain),
	          F_UINT("instance", am->results.arc.chain->highest + 1));
}
