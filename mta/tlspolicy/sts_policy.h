/* MTA-STS (RFC 8461): the record that says there is a policy, and the policy. Pure. */
#ifndef POD_MTA_TLSPOLICY_STS_POLICY_H
#define POD_MTA_TLSPOLICY_STS_POLICY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define STS_ID_MAX      32        /* RFC 8461 3.1 */
#define STS_POLICY_MAX  65536     /* bytes of a policy's file; RFC 8461 3.3 leaves the limit to us */
#define STS_MX_MAX      200       /* patterns */
#define STS_MAX_AGE_MAX 31557600u /* seconds; RFC 8461 3.2 */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age_s;
	size_t mx_n;
	const char *const *mx; /* lower case: names, or "*." and a name */
};

/*
 * The id out of the TXT records of _mta-sts.DOMAIN (RFC 8461 3.1), a NUL behind it.
 *   -POD_E_NOTFOUND  none of them is such a record, or more than one is: there is no policy
 *   -POD_E_SYNTAX    the one there is is malformed
 */
int sts_record_id(const struct span *txt, size_t n, char ret_id[STS_ID_MAX + 1]);

/* Reads a policy's file (RFC 8461 3.2); the result lives in a. -POD_E_SYNTAX (err says why), -POD_E_LIMIT. */
int sts_policy_parse(struct span text, struct arena *a, struct sts_policy *ret_policy, struct err *err);

/* Whether the policy allows this MX (RFC 8461 4.1): "*" stands for exactly one label. */
bool sts_policy_has_mx(const struct sts_policy *p, const char *host);

const char *sts_mode_name(enum sts_mode mode); /* "enforce" */

#endif
