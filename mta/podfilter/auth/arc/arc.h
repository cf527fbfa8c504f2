/*
 * The Authenticated Received Chain (RFC 8617): what handlers before us said of a message, verified, and our
 * own seal on top of it when we forward. All memory is the arena's; one thread for each message.
 */
#ifndef PODFILTER_AUTH_ARC_H
#define PODFILTER_AUTH_ARC_H

#include "mta/podfilter/auth/canon.h"
#include "mta/podfilter/auth/fields.h"
#include "mta/podfilter/auth/public_key.h"
#include "mta/podfilter/auth/signing_key.h"
#include "mta/podfilter/auth/tags.h"

#define ARC_SETS_MAX 50 /* RFC 8617 4.2.1 */

enum arc_result {
	ARC_NONE, /* no chain */
	ARC_PASS,
	ARC_FAIL,
	ARC_TEMPERROR, /* a key could not be looked up now: nothing is known, and a seal would make it a
	                  failure for ever */
};

/* One handler's three fields. */
struct arc_set {
	const struct field *aar, *ams, *seal;
	struct tag_list ams_tags, seal_tags;
	struct span results; /* of aar, behind its i= : "example.org; spf=pass ..." */
};

struct arc_chain {
	unsigned int n;       /* sets that are whole, from instance 1 on */
	unsigned int highest; /* instance that any field claims */
	bool broken;          /* something is missing, double or no tag list: such a chain has failed */
	bool failed_before;   /* the newest seal says cv=fail: then nobody seals any more */
	struct arc_set sets[ARC_SETS_MAX]; /* by instance - 1 */
	char why[160];                     /* broken: in words */
};

/* Sorts the fields of the chain out (RFC 8617 5.2, steps 1 to 3). Never fails but for memory. */
int arc_chain_read(struct arena *a, const struct fields *fields, struct arc_chain **ret_chain,
                   struct err *err);

/* ---- verifying ---- */

struct arc_verifier;

/* fields has to outlive it. */
int arc_verifier_create(struct arena *a, const struct fields *fields, struct arc_verifier **ret_v,
                        struct err *err);
void arc_verifier_body(struct arc_verifier *v, struct span bytes);

struct arc_verdict {
	enum arc_result result;
	const struct arc_chain *chain;
	struct span sealer; /* pass: d= of the newest seal; whom to trust is the caller's policy */
	const char *why;    /* fail and temperror: in words */
};

/* Looks keys up, newest first. Once; the body has ended. now_s: for signatures that expire. */
int arc_verifier_end(struct arc_verifier *v, const struct lookup *l, int64_t now_s,
                     struct arc_verdict *ret_verdict, struct err *err);
struct arc_verifier *arc_verifier_free(struct arc_verifier *v);

const char *arc_result_name(enum arc_result result); /* "pass" */

/* ---- sealing ---- */

struct arc_sealer;

/* key has to outlive it. */
int arc_sealer_create(struct arena *a, const struct signing_key *key, struct arc_sealer **ret_sealer,
                      struct err *err);
void arc_sealer_body(struct arc_sealer *s, struct span bytes);
/*
 * Makes the three fields of the next instance, to be put on top of the message in this order: ARC-Seal,
 * ARC-Message-Signature, ARC-Authentication-Results. results: "example.org; spf=pass ..." as in
 * Authentication-Results. -POD_E_UNSUPPORTED: no seal is to be added (RFC 8617 5.1): the chain had failed
 * before us, is as long as it may be, or was not verified for a temporary reason.
 */
int arc_sealer_end(struct arc_sealer *s, const struct fields *fields, const struct arc_verdict *verdict,
                   struct span results, int64_t now_s, struct field ret_fields[3], struct err *err);
struct arc_sealer *arc_sealer_free(struct arc_sealer *s);

/* What a seal signs, up to and with the one of instance n (RFC 8617 5.1.1); `first` is 1, or n where the
 * chain failed. */
void arc_seal_input(struct buf *out, const struct arc_set *sets, unsigned int first, unsigned int n);

#endif
