/*
 * Everything about who sent a message, in the order in which it can be found out. What belongs to the process
 * is opened once and shared by all threads; a message's results are one thread's.
 */
#ifndef PODFILTER_AUTH_MAILAUTH_H
#define PODFILTER_AUTH_MAILAUTH_H

#include "base/buf.h"
#include "mta/podfilter/auth/keys/keys.h"
#include "mta/podfilter/auth/results/results.h"

struct mailauth {
	struct dkim_library *dkim;
	struct dmarc *dmarc;
	struct keys *keys;
};

/* keys_dir: made where it is missing. */
int mailauth_open(const char *keys_dir, struct mailauth **ret_auth, struct err *err);
struct mailauth *mailauth_close(struct mailauth *m);

/* SPF of MAIL FROM and of HELO, as soon as the sender is known. Fills r->spf and r->helo_spf. */
int mailauth_check_sender(const struct lookup *l, struct arena *a, const struct spf_question *q,
                          struct auth_results *r, struct err *err);
/*
 * DKIM, ARC and DMARC of the whole message. r has the results of SPF (or SPF_NONE with a domain ""). chance:
 * 0 to 99. Fails only where memory is out.
 */
int mailauth_check_message(const struct mailauth *m, const struct lookup *l, struct arena *a,
                           const struct fields *fields, struct span body, unsigned int chance,
                           struct auth_results *r, struct err *err);

/*
 * Whether the chain shows that the message had passed DMARC before somebody on its way changed it: it holds,
 * every domain that sealed is in the list ("a.example, b.example"), and the first of them saw dmarc=pass.
 */
bool mailauth_is_vouched_for(const struct auth_results *r, const char *trusted);

/* The domain whose signature fits From best: an aligned one, else the first that passes; NULL: none does. */
const char *mailauth_signed_by(const struct mailauth *m, const struct auth_results *r);

/* ---- signing ---- */

/*
 * Signs with every active key of the domain. *ret_fields (room for KEYS_MAX) are to be put on top, *ret_n of
 * them: 0 where the domain has no active key.
 */
int mailauth_sign(const struct mailauth *m, struct arena *a, const struct fields *fields, struct span body,
                  const char *domain, struct field *ret_fields, size_t *ret_n, struct err *err);
/*
 * A message of the pod's own: signs with the keys of From's domain, or of the closest one above it that has
 * some, which is as good (aligned, RFC 7489 3.1.1); else with those of other, which may be "". Appends the
 * fields to be put in front, each with its CRLF, to out; nothing where none of these has keys. *ret_domain,
 * which may be NULL: whose they are; untouched where nobody's.
 */
int mailauth_sign_own(const struct mailauth *m, struct arena *a, struct span message, const char *other,
                      struct buf *out, const char **ret_domain, struct err *err);
/* Whether a domain has an active key. */
bool mailauth_signs_for(const struct mailauth *m, struct arena *a, const char *domain);
/*
 * Seals with the domain's active RSA key. -POD_E_NOTFOUND: it has none; -POD_E_UNSUPPORTED: the chain takes
 * no seal. As arc_sealer_end.
 */
int mailauth_seal(const struct mailauth *m, struct arena *a, const struct fields *fields, struct span body,
                  const char *domain, const struct auth_results *r, int64_t now_s, struct field ret_fields[3],
                  struct err *err);

#endif
