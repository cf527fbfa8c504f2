/* Schedules: keys are made, put to use once the DNS has them, and removed, domain by domain. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/podfilter/control/control_internal.h"

#define DOMAIN_ARENA (4u << 20)
#define STEPS_MAX    8 /* for a domain at a time: more than a key's life has */

struct round {
	struct control *c;
	int64_t now_s, grace_s;
};

/* An admin has to publish the record: he is told where he looks, in the log and in podctl domain dkim list.
 */
static int make_successor(struct round *round, struct arena *a, const struct key_list *list,
                          const struct key_info *old, struct err *err)
{
	struct key_info info;
	json_t *json = NULL;
	int r = keys_create(round->c->o.auth->keys, a, list->domain, old->type, old->bits, round->now_s,
	                    &info, err);

	if (r == 0)
		r = control_key_json(round->c, a, list->domain, &info, false, &json, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "dkim.key_to_publish", F_STR("domain", list->domain),
		          F_STR("selector", info.selector),
		          F_STR("record", json_string_value(json_object_get(json, "zone_line"))));
	json_decref(json);
	return r;
}

/* 1: it is in use now; 0: the DNS does not have it yet. */
static int activate_published(struct round *round, struct arena *a, const struct key_list *list,
                              const struct key_info *info, struct err *err)
{
	struct signing_key key = { 0 };
	const char *why;
	int r = keys_load(round->c->o.auth->keys, a, list->domain, info, &key, err);

	if (r == 0 && keys_check_published(&round->c->o.lookup, a, &key, &why) == KEY_PUBLISHED) {
		r = keys_activate(round->c->o.auth->keys, a, list->domain, info->selector, round->now_s, err);
		if (r == 0) {
			log_event(NULL, LOGL_NOTICE, "dkim.key_activated", F_STR("domain", list->domain),
			          F_STR("selector", info->selector));
			r = 1;
		}
	}
	keys_release(&key);
	return r;
}

static int take_step(struct round *round, struct arena *a, const struct key_list *list,
                     struct rotation rotation, struct err *err)
{
	int r;

	switch (rotation.step) {
	case ROTATION_NOTHING: return 0;
	case ROTATION_CREATE: r = make_successor(round, a, list, rotation.key, err); return r < 0 ? r : 1;
	case ROTATION_PUBLISH: return activate_published(round, a, list, rotation.key, err);
	case ROTATION_REMOVE: break;
	}
	r = keys_remove(round->c->o.auth->keys, a, list->domain, rotation.key->selector, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "dkim.key_removed", F_STR("domain", list->domain),
		          F_STR("selector", rotation.key->selector));
	return r < 0 ? r : 1;
}

static int rotate_domain(void *arg, const char *domain)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(DOMAIN_ARENA);
	struct round *round = arg;
	struct err err = { 0 };
	int r = a ? 1 : err_set(&err, POD_E_NOMEM, "rotation");

	for (int i = 0; r == 1 && i < STEPS_MAX; i++) {
		struct key_list list;

		r = keys_read(round->c->o.auth->keys, a, domain, &list, &err);
		if (r == 0)
			r = take_step(round, a, &list, rotation_next(&list, round->now_s, round->grace_s),
			              &err);
	}
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "dkim.rotation_failed", F_STR("domain", domain), F_ERR(&err));
	return 0; /* the other domains' turn */
}

void control_rotate_due(struct control *c, int64_t now_s)
{
	struct round round = { .c = c, .now_s = now_s };
	struct err err = { 0 };
	void *hold;
	const struct conf *conf = c->o.conf_take(c->o.arg, &hold);

	round.grace_s = (int64_t) (conf->auth.dkim_grace_ms / 1000);
	c->o.conf_release(c->o.arg, hold);
	if (keys_each_domain(c->o.auth->keys, rotate_domain, &round, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dkim.rotation_failed", F_ERR(&err));
}

void control_on_rotation(evutil_socket_t fd, short events, void *control)
{
	control_rotate_due(control, clock_wall_s());
}
