/*
 * Devices that speak ActiveSync: the record that the gateway and podd share, what becomes of it when an admin
 * orders something or the device answers, and the policies that a domain or a user sets for devices
 * (MS-ASPROV 2.2.2). Pure; memory is the caller's arena.
 */
#ifndef POD_DEVICE_DEVICE_H
#define POD_DEVICE_DEVICE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "device/device.pb-c.h"

/* Longest DeviceId that is taken (MS-ASHTTP 2.2.1.1.1.2.3: 32; raw ones double in hex). */
#define DEVICE_ID_MAX 64

/* "eas/ID/device", the record's name among the user's states; and "eas/ID/", that of all of the device's. */
char *device_state_name(struct arena *a, const char *id);
char *device_state_prefix(struct arena *a, const char *id);
/* The id in such a name of a record; SPAN_NONE: it names something else. */
struct span device_id_of(struct span state_name);

/* In a. -POD_E_CORRUPT: no such record; -POD_E_NOMEM. */
int device_unpack(struct arena *a, struct span value, Device__Device **ret_device, struct err *err);
/* The record's bytes, in a; SPAN_NONE where memory is out. */
struct span device_pack(struct arena *a, const Device__Device *device);

/* ---- what an admin orders ---- */

/* -POD_E_UNSUPPORTED: the account alone, of a device whose version knows no such thing (before 16.1). */
int device_wipe(Device__Device *device, Device__WipeKind kind, int64_t now_s, struct err *err);
/* Takes an order back, also one that was carried out: the device may begin anew. */
void device_wipe_cancel(Device__Device *device);
void device_allow(Device__Device *device, bool allow, int64_t now_s);

/* ---- what the device does ---- */

/* Whether it has to wipe before it may do anything else. */
bool device_must_wipe(const Device__Device *device);
/* It was told. */
void device_wipe_told(Device__Device *device, int64_t now_s);
/* It has answered, 1: done (MS-ASPROV 2.2.2.54.2). */
void device_wipe_answered(Device__Device *device, unsigned int status, int64_t now_s);

/* "allowed", "quarantined" ...; "pending", "told" ... Never NULL. */
const char *device_access_text(Device__Access access);
const char *device_wipe_text(Device__WipeState state);

/* ---- policies ---- */

enum device_policy_kind { DEVICE_POLICY_BOOL, DEVICE_POLICY_NUMBER, DEVICE_POLICY_LIST };

/* One setting, in the order in which a document has them. */
struct device_policy {
	const char *name; /* MS-ASPROV's: "MinDevicePasswordLength" */
	enum device_policy_kind kind;
	uint32_t min, max;     /* of a number */
	unsigned int since;    /* protocol version that knows it: 120, 121, 161 */
	const char *otherwise; /* what stands where nobody sets it; NULL: nothing */
	const char *help;
};

extern const struct device_policy device_policies[];
extern const size_t device_policies_n;

/* Index into device_policies; -POD_E_NOTFOUND. */
int device_policy_find(struct span name);
/* Whether value is one for the setting; says in err what it has to be. -POD_E_SYNTAX. */
int device_policy_check(const struct device_policy *policy, struct span value, struct err *err);

/* Values for all settings, NULL where there is none: a domain's, then a user's over them. */
struct device_policy_set {
	const char **values; /* device_policies_n of them */
};
/*
 * What holds, out of "Name=value" settings of a domain and of a user (either may be empty): those that are
 * not known any more are left out. In a. -POD_E_NOMEM.
 */
int device_policy_merge(struct arena *a, char *const *domain, size_t domain_n, char *const *user,
                        size_t user_n, struct device_policy_set *ret_set);
/* The same number for the same policies; never 0. */
uint64_t device_policy_print(const struct device_policy_set *set);
/* The value of a setting as a number; otherwise where there is none. */
uint32_t device_policy_number(const struct device_policy_set *set, const char *name, uint32_t otherwise);

#endif
