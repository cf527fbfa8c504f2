#include <string.h>
#include <xxhash.h>

#include "device/device.h"

#define BOOL(name, since, otherwise, help)                             \
	{                                                              \
		name, DEVICE_POLICY_BOOL, 0, 1, since, otherwise, help \
	}
#define NUMBER(name, since, otherwise, min, max, help)                       \
	{                                                                    \
		name, DEVICE_POLICY_NUMBER, min, max, since, otherwise, help \
	}
#define LIST(name, since, help)                                   \
	{                                                         \
		name, DEVICE_POLICY_LIST, 0, 0, since, NULL, help \
	}

#define NONE UINT32_MAX

/* clang-format off */
const struct device_policy device_policies[] = {
	BOOL("DevicePasswordEnabled", 120, "0", "The device has to have a password."),
	BOOL("AlphanumericDevicePasswordRequired", 120, "0", "The password has letters as well as digits."),
	BOOL("RequireStorageCardEncryption", 120, "0", "What is on a storage card is encrypted."),
	BOOL("PasswordRecoveryEnabled", 120, "0", "The device leaves a recovery password with us, for podctl device show."),
	BOOL("AttachmentsEnabled", 120, "1", "Attachments may be loaded."),
	NUMBER("MinDevicePasswordLength", 120, NULL, 1, 16, "Shortest password."),
	NUMBER("MaxInactivityTimeDeviceLock", 120, NULL, 1, 9999, "Seconds until the device locks itself; 9999: never."),
	NUMBER("MaxDevicePasswordFailedAttempts", 120, NULL, 4, 16, "Wrong passwords until the device wipes itself."),
	NUMBER("MaxAttachmentSize", 120, NULL, 1, NONE, "Largest attachment that is loaded, in bytes."),
	BOOL("AllowSimpleDevicePassword", 120, "1", "Passwords such as 1234 are taken."),
	NUMBER("DevicePasswordExpiration", 120, NULL, 0, 730, "Days until the password has to be changed; 0: never."),
	NUMBER("DevicePasswordHistory", 120, "0", 0, 50, "How many old passwords are not taken again."),
	BOOL("AllowStorageCard", 121, "1", "A storage card may be used."),
	BOOL("AllowCamera", 121, "1", "The camera may be used."),
	BOOL("RequireDeviceEncryption", 121, "0", "What is on the device is encrypted."),
	BOOL("AllowUnsignedApplications", 121, "1", "Unsigned programs may run."),
	BOOL("AllowUnsignedInstallationPackages", 121, "1", "Unsigned packages may be installed."),
	NUMBER("MinDevicePasswordComplexCharacters", 121, NULL, 1, 4, "Kinds of characters that the password has."),
	BOOL("AllowWiFi", 121, "1", "Wireless networks may be used."),
	BOOL("AllowTextMessaging", 121, "1", "Text messages may be sent."),
	BOOL("AllowPOPIMAPEmail", 121, "1", "Other accounts over POP and IMAP may be set up."),
	NUMBER("AllowBluetooth", 121, "2", 0, 2, "Bluetooth: 0 none, 1 hands-free only, 2 all."),
	BOOL("AllowIrDA", 121, "1", "Infrared may be used."),
	BOOL("RequireManualSyncWhenRoaming", 121, "0", "No push while roaming."),
	BOOL("AllowDesktopSync", 121, "1", "The device may be synchronised with a computer."),
	NUMBER("MaxCalendarAgeFilter", 121, "0", 0, 7, "Past of the calendar, as a FilterType: 0 all, 4 two weeks ... 7 six months."),
	BOOL("AllowHTMLEmail", 121, "1", "Mail may come as HTML."),
	NUMBER("MaxEmailAgeFilter", 121, "0", 0, 5, "Past of the mail, as a FilterType: 0 all, 1 a day ... 5 a month."),
	NUMBER("MaxEmailBodyTruncationSize", 121, NULL, 0, NONE, "Most of a text body that is sent, in bytes."),
	NUMBER("MaxEmailHTMLBodyTruncationSize", 121, NULL, 0, NONE, "Most of an HTML body that is sent, in bytes."),
	BOOL("RequireSignedSMIMEMessages", 121, "0", "What the device sends is signed."),
	BOOL("RequireEncryptedSMIMEMessages", 121, "0", "What the device sends is encrypted."),
	NUMBER("RequireSignedSMIMEAlgorithm", 121, NULL, 0, 1, "Algorithm of signatures: 0 SHA1, 1 MD5."),
	NUMBER("RequireEncryptionSMIMEAlgorithm", 121, NULL, 0, 4, "Algorithm: 0 3DES, 1 DES, 2 to 4 RC2 of 128, 64, 40 bits."),
	NUMBER("AllowSMIMEEncryptionAlgorithmNegotiation", 121, NULL, 0, 2, "Another algorithm: 0 no, 1 a strong one, 2 any."),
	BOOL("AllowSMIMESoftCerts", 121, "1", "Certificates of S/MIME may be kept in software."),
	BOOL("AllowBrowser", 121, "1", "The web browser may be used."),
	BOOL("AllowConsumerEmail", 121, "1", "Mail of other services may be used."),
	BOOL("AllowRemoteDesktop", 121, "1", "Remote desktops may be used."),
	BOOL("AllowInternetSharing", 121, "1", "The device may be a computer's way to the internet."),
	LIST("UnapprovedInROMApplicationList", 121, "Built-in programs that must not run: names with commas between them."),
	LIST("ApprovedApplicationList", 121, "Programs that may run: SHA-1 hashes with commas between them."),
};
/* clang-format on */
const size_t device_policies_n = sizeof(device_policies) / sizeof(device_policies[0]);

int device_policy_find(struct span name)
{
	for (size_t i = 0; i < device_policies_n; i++)
		if (span_eq_nocase(name, span_of(device_policies[i].name)))
			return (int) i;
	return -POD_E_NOTFOUND;
}

int device_policy_check(const struct device_policy *policy, struct span value, struct err *err)
{
	uint32_t n;

	if (policy->kind == DEVICE_POLICY_LIST)
		return value.len > 0 ? 0
		                     : err_set(err, POD_E_SYNTAX, "%s is a list with commas", policy->name);
	if (span_to_u32(value, &n) < 0 || n < policy->min || n > policy->max)
		return err_set(err, POD_E_SYNTAX, "%s is %u to %u", policy->name, policy->min, policy->max);
	return 0;
}

static int overlay(struct arena *a, char *const *settings, size_t n, struct device_policy_set *set)
{
	for (size_t i = 0; i < n; i++) {
		struct span value, name = span_split(span_of(settings[i]), '=', &value);
		int at = device_policy_find(name);

		if (at < 0 || !value.p || device_policy_check(&device_policies[at], value, NULL) < 0)
			continue;
		set->values[at] = arena_str(a, value);
		if (!set->values[at])
			return -POD_E_NOMEM;
	}
	return 0;
}

int device_policy_merge(struct arena *a, char *const *domain, size_t domain_n, char *const *user,
                        size_t user_n, struct device_policy_set *ret_set)
{
	int r;

	ret_set->values = arena_array(a, device_policies_n, sizeof(*ret_set->values));
	if (!ret_set->values)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < device_policies_n; i++)
		ret_set->values[i] = device_policies[i].otherwise;
	r = overlay(a, domain, domain_n, ret_set);
	return r < 0 ? r : overlay(a, user, user_n, ret_set);
}

uint64_t device_policy_print(const struct device_policy_set *set)
{
	XXH64_hash_t print = 1;

	for (size_t i = 0; i < device_policies_n; i++) {
		const char *value = set->values[i] ? set->values[i] : "";

		print = XXH3_64bits_withSeed(device_policies[i].name, strlen(device_policies[i].name), print);
		print = XXH3_64bits_withSeed(value, strlen(value), print);
	}
	return print ? print : 1;
}

uint32_t device_policy_number(const struct device_policy_set *set, const char *name, uint32_t otherwise)
{
	int at = device_policy_find(span_of(name));
	uint32_t n;

	return at >= 0 && set->values[at] && span_to_u32(span_of(set->values[at]), &n) == 0 ? n : otherwise;
}
