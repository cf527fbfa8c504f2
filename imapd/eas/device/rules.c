/* What the directory says of a user's devices. */
#include <string.h>

#include "imapd/eas/device/internal.h"

static const struct {
	const char *word;
	Device__Access access;
} new_devices[] = {
	{ "", DEVICE__ACCESS__ACCESS_OPEN },
	{ "allow", DEVICE__ACCESS__ACCESS_OPEN },
	{ "quarantine", DEVICE__ACCESS__ACCESS_QUARANTINED },
	{ "block", DEVICE__ACCESS__ACCESS_BLOCKED },
};

/* A word that this version does not know is taken for the stricter one. */
static Device__Access access_of(const char *word)
{
	for (size_t i = 0; i < sizeof(new_devices) / sizeof(new_devices[0]); i++)
		if (strcmp(word, new_devices[i].word) == 0)
			return new_devices[i].access;
	return DEVICE__ACCESS__ACCESS_QUARANTINED;
}

int eas_device_rules(struct eas_request *rq, Device__Access *ret_new_access, struct err *err)
{
	struct span domain, address = span_of(account_address(rq->account));
	const Directory__Domain *d;
	const Directory__User *u;
	const ProtobufCMessage *record;
	int r;

	(void) span_split(address, '@', &domain);
	r = directory_get(rq->parts->directory, rq->a, DIRECTORY_DOMAIN, domain, &record, err);
	if (r < 0)
		return r;
	d = (const Directory__Domain *) record;
	r = directory_get(rq->parts->directory, rq->a, DIRECTORY_USER, address, &record, err);
	if (r < 0)
		return r;
	u = (const Directory__User *) record;
	*ret_new_access = access_of(d->new_devices);
	r = device_policy_merge(rq->a, d->device_policies, d->n_device_policies, u->device_policies,
	                        u->n_device_policies, &rq->device->policies);
	if (r < 0)
		return err_set(err, POD_E_NOMEM, "policies");
	rq->device->print = device_policy_print(&rq->device->policies);
	return 0;
}
