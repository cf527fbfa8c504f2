/* Devices and their policies: what an admin orders, what a device answers, which settings hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "device/device.h"
#include "imapd/eas/provision/document.h"
#include "tests/support/test_arena.h"

static Device__Device phone(const char *version)
{
	Device__Device d = DEVICE__DEVICE__INIT;

	d.id = (char *) (uintptr_t) "abc123";
	d.version = (char *) (uintptr_t) version;
	d.policy_key = 77;
	return d;
}

static void names_lead_to_ids_and_back(void **state)
{
	static const char *const others[] = { "eas/abc/sync/1", "eas//device", "eas/device", "eas/a/b/device",
		                              "imap/abc/device" };
	const char *name = device_state_name(test_arena, "abc123");

	assert_string_equal(name, "eas/abc123/device");
	assert_true(span_eq(device_id_of(span_of(name)), SPAN_LIT("abc123")));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(device_id_of(span_of(others[i])).len, 0);
}

static void a_record_is_kept_whole(void **state)
{
	Device__Device d = phone("14.1"), *again;
	struct span packed;

	d.model = (char *) (uintptr_t) "M";
	packed = device_pack(test_arena, &d);
	assert_int_equal(device_unpack(test_arena, packed, &again, NULL), 0);
	assert_string_equal(again->model, "M");
	assert_int_equal(again->policy_key, 77);
	assert_int_equal(device_unpack(test_arena, SPAN_LIT("\xff\xff\xff"), &again, NULL), -POD_E_CORRUPT);
}

static void a_wipe_goes_its_way(void **state)
{
	Device__Device d = phone("14.1");

	assert_false(device_must_wipe(&d));
	assert_int_equal(device_wipe(&d, DEVICE__WIPE_KIND__WIPE_ACCOUNT, 5, NULL), -POD_E_UNSUPPORTED);
	assert_false(device_must_wipe(&d));
	assert_int_equal(device_wipe(&d, DEVICE__WIPE_KIND__WIPE_DEVICE, 5, NULL), 0);
	assert_true(device_must_wipe(&d));
	assert_string_equal(device_wipe_text(d.wipe_state), "ordered");
	device_wipe_told(&d, 6);
	assert_int_equal(d.policy_key, 0);
	device_wipe_answered(&d, 1, 7);
	assert_string_equal(device_wipe_text(d.wipe_state), "wiped");
	assert_true(device_must_wipe(&d)); /* whoever sets it up again */
	device_wipe_cancel(&d);
	assert_false(device_must_wipe(&d));
	d = phone("16.1");
	assert_int_equal(device_wipe(&d, DEVICE__WIPE_KIND__WIPE_ACCOUNT, 5, NULL), 0);
	device_wipe_answered(&d, 2, 7);
	assert_string_equal(device_wipe_text(d.wipe_state), "failed");
}

static void a_users_policies_stand_over_the_domains(void **state)
{
	char *domain[] = { (char *) (uintptr_t) "DevicePasswordEnabled=1",
		           (char *) (uintptr_t) "MinDevicePasswordLength=6",
		           (char *) (uintptr_t) "FromTheFuture=1", (char *) (uintptr_t) "AllowCamera=7" };
	char *user[] = { (char *) (uintptr_t) "MinDevicePasswordLength=8" };
	struct device_policy_set none, of_domain, of_user;

	assert_int_equal(device_policy_merge(test_arena, NULL, 0, NULL, 0, &none), 0);
	assert_int_equal(device_policy_merge(test_arena, domain, 4, NULL, 0, &of_domain), 0);
	assert_int_equal(device_policy_merge(test_arena, domain, 4, user, 1, &of_user), 0);
	assert_int_equal(device_policy_number(&none, "DevicePasswordEnabled", 9), 0);
	assert_int_equal(device_policy_number(&none, "MinDevicePasswordLength", 9), 9);
	assert_int_equal(device_policy_number(&of_domain, "MinDevicePasswordLength", 9), 6);
	assert_int_equal(device_policy_number(&of_domain, "AllowCamera", 9), 1);
	assert_int_equal(device_policy_number(&of_user, "MinDevicePasswordLength", 9), 8);
	assert_int_equal(device_policy_number(&of_user, "DevicePasswordEnabled", 9), 1);
	assert_true(device_policy_print(&none) != device_policy_print(&of_domain));
	assert_true(device_policy_print(&of_user) != device_policy_print(&of_domain));
	assert_true(device_policy_print(&of_user) == device_policy_print(&of_user));
}

static void values_have_bounds(void **state)
{
	static const struct {
		const char *name, *value;
		bool good;
	} cases[] = {
		{ "MinDevicePasswordLength", "16", true },
		{ "MinDevicePasswordLength", "17", false },
		{ "AllowBluetooth", "2", true },
		{ "AllowBluetooth", "3", false },
		{ "AllowCamera", "yes", false },
		{ "ApprovedApplicationList", "", false },
		{ "UnapprovedInROMApplicationList", "a.exe,b.exe", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int at = device_policy_find(span_of(cases[i].name));

		assert_true(at >= 0);
		assert_int_equal(device_policy_check(&device_policies[at], span_of(cases[i].value), NULL) ==
		                         0,
		                 cases[i].good);
	}
	assert_int_equal(device_policy_find(SPAN_LIT("NoSuchPolicy")), -POD_E_NOTFOUND);
}

/* The document as a tree; every setting has a tag of its name. */
static void documents_say_what_a_version_knows(void **state)
{
	char *lists[] = { (char *) (uintptr_t) "UnapprovedInROMApplicationList=a.exe, b.exe" };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct device_policy_set set;
	struct wbxml_writer w;
	struct wbxml_node *root;
	unsigned int n = 0;

	assert_int_equal(device_policy_merge(test_arena, lists, 1, NULL, 0, &set), 0);
	for (size_t i = 0; i < device_policies_n; i++)
		if (!set.values[i])
			set.values[i] = "1";
	wbxml_begin(&w, &out);
	provision_document(&w, &set, 161);
	assert_int_equal(wbxml_decode(test_arena, buf_span(&out), &root, NULL), 0);
	for (const struct wbxml_node *node = root->first; node; node = node->next)
		n++;
	assert_int_equal(n, device_policies_n);
	assert_true(span_eq(wbxml_child(root, PROVISION_UNAPPROVEDINROMAPPLICATIONLIST)->last->text,
	                    SPAN_LIT("b.exe")));
	buf_clear(&out);
	wbxml_begin(&w, &out);
	provision_document(&w, &set, 120);
	assert_int_equal(wbxml_decode(test_arena, buf_span(&out), &root, NULL), 0);
	assert_null(wbxml_child(root, PROVISION_ALLOWCAMERA));
	assert_non_null(wbxml_child(root, PROVISION_DEVICEPASSWORDENABLED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_to_ids_and_back),
		cmocka_unit_test(a_record_is_kept_whole),
		cmocka_unit_test(a_wipe_goes_its_way),
		cmocka_unit_test(a_users_policies_stand_over_the_domains),
		cmocka_unit_test(values_have_bounds),
		cmocka_unit_test(documents_say_what_a_version_knows),
	};

	return cmocka_run_group_tests(tests, test_arena_make, test_arena_free);
}
