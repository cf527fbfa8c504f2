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

int eas_rules_of(struct directory *dir, struct arena *a, const char *address, struct eas_rules *ret,
                 struct err *err)
{
	struct span domain, whole = span_of(address);
	const Directory__Domain *d;
	const Directory__User *u;
	const ProtobufCMessage *record;
	int r;

	(void) span_split(whole, '@', &domain);
	r = directory_get(dir, a, DIRECTORY_DOMAIN, domain, &record, err);
	if (r < 0)
		return r;
	d = (const Directory__Domain *) record;
	r = directory_get(dir, a, DIRECTORY_USER, whole, &record, err);
	if (r < 0)
		return r;
	u = (const Directory__User *) record;
	ret->new_access = access_of(d->new_devices);
	r = device_policy_merge(a, d->device_policies, d->n_device_policies, u->device_policies,
	                        u->n_device_policies, &ret->policies);
	if (r < 0)
		return err_set(err, POD_E_NOMEM, "policies");
	ret->print = device_policy_print(&ret->policies);
	return 0;
}
