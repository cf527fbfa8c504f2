/* Whether a device may do what it asks (MS-ASPROV 3.1.5.1, MS-ASCMD 2.2.2). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "imapd/eas/commands.h"
#include "imapd/eas/device/internal.h"
#include "imapd/http/http.h"

#define SEEN_EVERY_S     3600 /* how exact last_seen is: it costs a commit */
#define TOO_MANY_DEVICES 177

static void take_text(char **field, const char *text)
{
	*field = (char *) (uintptr_t) text;
}

static const char *version_text(struct eas_request *rq)
{
	const char *text = arena_printf(rq->a, "%u.%u", rq->version / 10, rq->version % 10);

	return text ? text : "";
}

static const char *user_agent(struct eas_request *rq)
{
	const char *agent = http_header(rq->exchange, "User-Agent");

	return agent && strlen(agent) < 512 ? agent : "";
}

/* What is to be seen of a device at every request. */
struct sight {
	const struct eas_request *rq;
	const char *version, *agent;
	Device__Access access; /* of a new one */
	int64_t now_s;
};

static void see(Device__Device *d, const void *arg)
{
	const struct sight *s = arg;

	if (!d->first_seen) {
		take_text(&d->id, s->rq->device_id);
		d->first_seen = s->now_s;
		d->access = s->access;
		d->access_changed = s->now_s;
	}
	take_text(&d->type, s->rq->device_type);
	take_text(&d->version, s->version);
	if (*s->agent)
		take_text(&d->user_agent, s->agent);
	d->last_seen = s->now_s;
}

static bool is_news(const Device__Device *d, const struct sight *s)
{
	return d->last_seen + SEEN_EVERY_S <= s->now_s || strcmp(d->version, s->version) != 0 ||
	       strcmp(d->type, s->rq->device_type) != 0 ||
	       (*s->agent && strcmp(d->user_agent, s->agent) != 0);
}

static int read_rules(struct eas_request *rq, Device__Access *ret_new_access, struct err *err)
{
	struct eas_rules rules;
	int r = eas_rules_of(rq->parts->directory, rq->a, account_address(rq->account), &rules, err);

	if (r < 0)
		return r;
	rq->device->policies = rules.policies;
	rq->device->print = rules.print;
	*ret_new_access = rules.new_access;
	return 0;
}

/* 0: goes on; else a status, or -POD_E_*. */
static int look(struct eas_request *rq, struct err *err)
{
	struct sight s = {
		.rq = rq, .version = version_text(rq), .agent = user_agent(rq), .now_s = clock_wall_s()
	};
	size_t n = 0;
	int r = eas_device_read(rq, err);

	if (r < 0 || (r = read_rules(rq, &s.access, err)) < 0)
		return r;
	if (rq->device->version == 0) {
		r = eas_device_count(rq, &n, err);
		if (r < 0)
			return r;
		if (n >= rq->parts->conf->imapd.max_devices)
			return TOO_MANY_DEVICES;
		log_event(&rq->log, LOGL_NOTICE, "device.new", F_STR("type", rq->device_type),
		          F_STR("access", device_access_text(s.access)));
	}
	return is_news(rq->device->record, &s) ? eas_device_update(rq, see, &s, err) : 0;
}

static unsigned int judge_access(const struct eas_request *rq)
{
	switch (rq->device->record->access) {
	case DEVICE__ACCESS__ACCESS_BLOCKED: return EAS_STATUS_DEVICE_BLOCKED;
	case DEVICE__ACCESS__ACCESS_QUARANTINED: return EAS_STATUS_ACCESS_DENIED;
	default: return 0;
	}
}

/* Nothing was acknowledged, something else was, or the policies have changed since. */
static unsigned int judge_policies(const struct eas_request *rq)
{
	const Device__Device *d = rq->device->record;

	if (d->policy_key == 0 || rq->policy_key == 0)
		return EAS_STATUS_NOT_PROVISIONED;
	if (rq->policy_key != d->policy_key)
		return EAS_STATUS_POLICY_KEY;
	return d->policy_print != rq->device->print ? EAS_STATUS_POLICY_REFRESH : 0;
}

static unsigned int judge(const struct eas_request *rq)
{
	bool needs_policy = rq->command->flags & EAS_NEEDS_POLICY;
	unsigned int status = judge_access(rq);

	/* A blocked device may still be wiped: that matters more. */
	if (device_must_wipe(rq->device->record))
		return needs_policy ? EAS_STATUS_REMOTE_WIPE : 0;
	return status == 0 && needs_policy ? judge_policies(rq) : status;
}

bool eas_device_admit(struct eas_request *rq)
{
	struct err err = { 0 };
	int r;

	rq->device = arena_new(rq->a, struct eas_device);
	r = rq->device ? look(rq, &err) : -POD_E_NOMEM;
	if (r == 0)
		r = (int) judge(rq);
	if (r < 0) {
		eas_answer_error(rq, rq->command->root, r);
	} else if (r > 0) {
		log_event(&rq->log, LOGL_INFO, "device.refused", F_UINT("status", (unsigned int) r));
		eas_answer_status(rq, rq->command->root, (unsigned int) r);
	}
	return r == 0;
}

static void count_one(const Podstore__StateListReply *list, size_t *n)
{
	for (size_t i = 0; i < list->n_entries; i++)
		*n += device_id_of(span_of(list->entries[i]->name)).len > 0;
}

int eas_device_count(struct eas_request *rq, size_t *ret_n, struct err *err)
{
	Podstore__StateList request = PODSTORE__STATE_LIST__INIT;
	const ProtobufCMessage *message;
	int r;

	request.prefix = (char *) (uintptr_t) "eas/";
	r = account_call(rq->account, rq->a, STORE_STATE_LIST, &request.base, &message, err);
	*ret_n = 0;
	if (r == 0)
		count_one((const Podstore__StateListReply *) message, ret_n);
	return r;
}
