/*
 * Provision (MS-ASPROV 3.1.5.1): a device is shown the policies and a key, answers what it made of them under
 * that key, and gets another key, with which all its other requests come. Or it is told to wipe itself.
 */
#include "base/clock.h"
#include "base/id.h"
#include "imapd/eas/device/device.h"
#include "imapd/eas/provision/document.h"
#include "imapd/eas/provision/provision.h"

/* Of the command as a whole (MS-ASPROV 2.2.2.54.1). */
enum {
	STATUS_OK = 1,
	STATUS_PROTOCOL = 2,
	STATUS_PARTLY = 139,
	STATUS_EXTERNAL = 145,
	STATUS_INFORMATION = 165
};
/* Of one policy, to the device and from it (MS-ASPROV 2.2.2.54.2). */
enum { POLICY_OK = 1, POLICY_UNKNOWN_TYPE = 3, POLICY_WRONG_KEY = 5 };
enum { DEVICE_APPLIED = 1, DEVICE_PARTLY = 2, DEVICE_IGNORED = 3, DEVICE_EXTERNAL = 4 };

#define TYPE_WBXML "MS-EAS-Provisioning-WBXML"
#define TYPE_WAP   "MS-WAP-Provisioning-XML"

/* What a change of the record is made from. */
struct step {
	uint32_t key;
	uint64_t print;
	unsigned int status;
	int64_t now_s;
};

/* Decimal and unsigned on the wire, but there are devices that keep it in 31 bits. */
static uint32_t new_key(void)
{
	uint32_t key;

	random_bytes(&key, sizeof(key));
	return (key & INT32_MAX) | 1;
}

static void show(Device__Device *d, const void *arg)
{
	const struct step *s = arg;

	d->pending_key = s->key;
	d->pending_print = s->print;
}

static void acknowledge(Device__Device *d, const void *arg)
{
	const struct step *s = arg;

	d->acknowledged_key = d->pending_key;
	d->policy_key = s->key;
	d->policy_print = d->pending_print;
	d->policy_status = s->status;
	d->provisioned = s->now_s;
}

static void tell_wipe(Device__Device *d, const void *arg)
{
	device_wipe_told(d, ((const struct step *) arg)->now_s);
}

static void hear_wipe(Device__Device *d, const void *arg)
{
	const struct step *s = arg;

	device_wipe_answered(d, s->status, s->now_s);
}

static void begin(struct eas_request *rq, bool information)
{
	wbxml_open(&rq->out, PROVISION_PROVISION);
	if (information) {
		wbxml_open(&rq->out, SETTINGS_DEVICEINFORMATION);
		wbxml_uint(&rq->out, SETTINGS_STATUS, STATUS_OK);
		wbxml_close(&rq->out);
	}
	wbxml_uint(&rq->out, PROVISION_STATUS, STATUS_OK);
}

/* ---- wiping ---- */

static void order_wipe(struct eas_request *rq)
{
	struct step s = { .now_s = clock_wall_s() };
	struct err err = { 0 };
	int r = eas_device_update(rq, tell_wipe, &s, &err);

	if (r < 0) {
		eas_answer_error(rq, PROVISION_PROVISION, r);
		return;
	}
	log_event(&rq->log, LOGL_NOTICE, "device.wipe.told", F_UINT("kind", rq->device->record->wipe));
	begin(rq, false);
	wbxml_empty(&rq->out, rq->device->record->wipe == DEVICE__WIPE_KIND__WIPE_ACCOUNT
	                              ? PROVISION_ACCOUNTONLYREMOTEWIPE
	                              : PROVISION_REMOTEWIPE);
	wbxml_close(&rq->out);
}

/* The device says how its wiping went. One that nobody ordered is no news. */
static void hear_of_wipe(struct eas_request *rq, const struct wbxml_node *wipe)
{
	struct step s = { .now_s = clock_wall_s() };
	struct err err = { 0 };
	uint64_t status;
	int r;

	if (wbxml_child_uint(wipe, PROVISION_STATUS, 255, &status) != 1) {
		eas_answer_status(rq, PROVISION_PROVISION, STATUS_PROTOCOL);
		return;
	}
	s.status = (unsigned int) status;
	r = device_must_wipe(rq->device->record) ? eas_device_update(rq, hear_wipe, &s, &err) : 0;
	if (r < 0) {
		eas_answer_error(rq, PROVISION_PROVISION, r);
		return;
	}
	log_event(&rq->log, LOGL_NOTICE, "device.wipe.answered", F_UINT("status", s.status));
	begin(rq, false);
	wbxml_close(&rq->out);
}

/* ---- policies ---- */

static void write_policy(struct eas_request *rq, struct span type, unsigned int status, uint32_t key,
                         bool document)
{
	wbxml_open(&rq->out, PROVISION_POLICIES);
	wbxml_open(&rq->out, PROVISION_POLICY);
	wbxml_text(&rq->out, PROVISION_POLICYTYPE, type);
	wbxml_uint(&rq->out, PROVISION_STATUS, status);
	if (key)
		wbxml_uint(&rq->out, PROVISION_POLICYKEY, key);
	if (document && rq->version >= EAS_12_0) {
		wbxml_open(&rq->out, PROVISION_DATA);
		provision_document(&rq->out, &rq->device->policies, rq->version);
		wbxml_close(&rq->out);
	} else if (document) {
		wbxml_str(&rq->out, PROVISION_DATA, provision_wap(&rq->device->policies));
	}
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

/* The first half: policies and a key to answer under. */
static void show_policies(struct eas_request *rq, struct span type, bool information)
{
	struct step s = { .key = new_key(), .print = rq->device->print };
	struct err err = { 0 };
	int r = eas_device_update(rq, show, &s, &err);

	if (r < 0) {
		eas_answer_error(rq, PROVISION_PROVISION, r);
		return;
	}
	begin(rq, information);
	write_policy(rq, type, POLICY_OK, s.key, true);
	wbxml_close(&rq->out);
}

/* Whether the policies ask anything of a device at all. */
static bool demands_anything(const struct eas_request *rq)
{
	struct device_policy_set none;

	return device_policy_merge(rq->a, NULL, 0, NULL, 0, &none) < 0 ||
	       device_policy_print(&none) != rq->device->print;
}

/* 0: the device may go on. */
static unsigned int judge(const struct eas_request *rq, uint64_t said)
{
	if (said == DEVICE_APPLIED || !demands_anything(rq))
		return 0;
	return said == DEVICE_EXTERNAL ? STATUS_EXTERNAL : STATUS_PARTLY;
}

/* The second half: what the device made of them, and the key for all that follows. */
static void take_answer(struct eas_request *rq, struct span type, uint64_t key, uint64_t said)
{
	const Device__Device *d = rq->device->record;
	struct step s = { .key = new_key(), .status = (unsigned int) said, .now_s = clock_wall_s() };
	unsigned int refused = judge(rq, said);
	struct err err = { 0 };
	int r = 0;

	if (refused) {
		eas_answer_status(rq, PROVISION_PROVISION, refused);
		return;
	}
	begin(rq, false);
	if (key == 0 || key != d->pending_key) {
		write_policy(rq, type, POLICY_WRONG_KEY, 0, false);
		wbxml_close(&rq->out);
		return;
	}
	if (d->acknowledged_key == d->pending_key)
		s.key = d->policy_key; /* its answer was lost */
	else
		r = eas_device_update(rq, acknowledge, &s, &err);
	if (r < 0) {
		eas_answer_error(rq, PROVISION_PROVISION, r);
		return;
	}
	write_policy(rq, type, POLICY_OK, s.key, false);
	wbxml_close(&rq->out);
}

static void policy(struct eas_request *rq, const struct wbxml_node *node, bool information)
{
	struct span type = wbxml_child_text(node, PROVISION_POLICYTYPE);
	struct span known = rq->version >= EAS_12_0 ? SPAN_LIT(TYPE_WBXML) : SPAN_LIT(TYPE_WAP);
	uint64_t key = 0, said = 0;
	int has_key = wbxml_child_uint(node, PROVISION_POLICYKEY, UINT32_MAX, &key);
	int has_status = wbxml_child_uint(node, PROVISION_STATUS, DEVICE_EXTERNAL, &said);

	if (type.len == 0 || has_key < 0 || has_status < 0 ||
	    (has_key == 1 && (has_status != 1 || said == 0))) {
		eas_answer_status(rq, PROVISION_PROVISION, STATUS_PROTOCOL);
	} else if (!span_eq(type, known)) {
		begin(rq, information);
		write_policy(rq, type, POLICY_UNKNOWN_TYPE, 0, false);
		wbxml_close(&rq->out);
	} else if (has_key == 1) {
		take_answer(rq, type, key, said);
	} else if (rq->version >= EAS_14_1 && !information) {
		eas_answer_status(rq, PROVISION_PROVISION, STATUS_INFORMATION);
	} else {
		show_policies(rq, type, information);
	}
}

/* true: the request said something of the device, and it is kept. */
static bool take_information(struct eas_request *rq, bool *failed)
{
	const struct wbxml_node *set =
		wbxml_child(wbxml_child(rq->body, SETTINGS_DEVICEINFORMATION), SETTINGS_SET);
	struct err err = { 0 };
	int r = set ? eas_device_information(rq, set, &err) : 0;

	*failed = r < 0;
	if (r < 0)
		eas_answer_error(rq, PROVISION_PROVISION, r);
	return set != NULL;
}

void eas_cmd_provision(struct eas_request *rq)
{
	const struct wbxml_node *wiped = wbxml_child(rq->body, PROVISION_REMOTEWIPE);
	const struct wbxml_node *node =
		wbxml_child(wbxml_child(rq->body, PROVISION_POLICIES), PROVISION_POLICY);
	bool information, failed;

	if (!wiped)
		wiped = wbxml_child(rq->body, PROVISION_ACCOUNTONLYREMOTEWIPE);
	if (!rq->body || rq->body->tag != PROVISION_PROVISION) {
		eas_answer_status(rq, PROVISION_PROVISION, STATUS_PROTOCOL);
	} else if (wiped) {
		hear_of_wipe(rq, wiped);
	} else if (device_must_wipe(rq->device->record)) {
		order_wipe(rq);
	} else if (!node) {
		eas_answer_status(rq, PROVISION_PROVISION, STATUS_PROTOCOL);
	} else {
		information = take_information(rq, &failed);
		if (!failed)
			policy(rq, node, information);
	}
}
