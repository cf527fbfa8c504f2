/* Keys of domains, as podctl domain dkim manages them. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mta/podfilter/control/control_internal.h"

static int describe(struct control *c, struct arena *a, const struct signing_key *key,
                    const struct key_info *info, bool ask_dns, json_t **ret_json, struct err *err)
{
	const char *record, *line, *why;
	json_t *json;
	int r = keys_record(a, key, &record, err);

	if (r == 0)
		r = keys_zone_line(a, key, &line, err);
	if (r < 0)
		return r;
	json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:s}", "domain", key->domain,
	                 "selector", info->selector, "type", key_type_name(info->type), "state",
	                 key_state_name(info->state), "bits", (int) info->bits, "created",
	                 (json_int_t) info->created_s, "activated", (json_int_t) info->activated_s, "retired",
	                 (json_int_t) info->retired_s, "record", record, "zone_line", line);
	if (json && ask_dns) {
		enum key_published p = keys_check_published(&c->o.lookup, a, key, &why);

		(void) json_object_set_new(json, "dns", json_string(key_published_name(p)));
		(void) json_object_set_new(json, "dns_why", json_string(why));
	}
	*ret_json = json;
	return json ? 0 : err_set(err, POD_E_NOMEM, "key");
}

int control_key_json(struct control *c, struct arena *a, const char *domain, const struct key_info *info,
                     bool ask_dns, json_t **ret_json, struct err *err)
{
	struct signing_key key = { 0 };
	int r = keys_load(c->o.auth->keys, a, domain, info, &key, err);

	if (r == 0)
		r = describe(c, a, &key, info, ask_dns, ret_json, err);
	keys_release(&key);
	return r;
}

/* ---- listing ---- */

struct domains {
	struct control *c;
	struct arena *a;
	json_t *array;
};

static int add_domain(void *arg, const char *domain)
{
	struct domains *d = arg;
	struct key_list list;
	struct err err = { 0 };

	if (keys_read(d->c->o.auth->keys, d->a, domain, &list, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "dkim.keys_unreadable", F_STR("domain", domain), F_ERR(&err));
		return 0;
	}
	if (list.n)
		(void) json_array_append_new(d->array,
		                             json_pack("{s:s, s:i, s:i}", "domain", domain, "rotate_days",
		                                       (int) list.rotate_days, "keys", (int) list.n));
	return 0;
}

int control_dkim_domains(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	struct domains d = { .c = c, .a = a, .array = json_array() };
	int r = keys_each_domain(c->o.auth->keys, add_domain, &d, err);

	*ret_answer = json_pack("{s:o}", "domains", d.array);
	return r;
}

static int read_list(struct control *c, struct arena *a, json_t *in, struct key_list *ret_list,
                     struct err *err)
{
	const char *domain;
	int r = control_string(in, "domain", &domain, err);

	return r == 0 ? keys_read(c->o.auth->keys, a, domain, ret_list, err) : r;
}

/* Every key asked for in the DNS, until one answer does not come: then the others' are not waited for either.
 */
int control_dkim_list(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	json_t *keys = json_array(), *key;
	struct key_list list;
	bool ask = true;
	int r = read_list(c, a, in, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		r = control_key_json(c, a, list.domain, &list.keys[i], ask, &key, err);
		if (r < 0)
			break;
		(void) json_array_append_new(keys, key);
		if (!ask)
			(void) json_object_set_new(key, "dns", json_string(key_published_name(KEY_UNKNOWN)));
		else
			ask = strcmp(json_string_value(json_object_get(key, "dns")),
			             key_published_name(KEY_UNKNOWN)) != 0;
	}
	if (r < 0) {
		json_decref(keys);
		return r;
	}
	*ret_answer = json_pack("{s:s, s:i, s:o}", "domain", list.domain, "rotate_days",
	                        (int) list.rotate_days, "keys", keys);
	return 0;
}

/* ---- making ---- */

static int create(struct control *c, struct arena *a, const char *domain, enum key_type type,
                  unsigned int bits, json_t **ret_json, struct err *err)
{
	struct key_info info;
	int r = keys_create(c->o.auth->keys, a, domain, type, bits, clock_wall_s(), &info, err);

	if (r < 0)
		return r;
	log_event(NULL, LOGL_NOTICE, "dkim.key_made", F_STR("domain", domain),
	          F_STR("selector", info.selector));
	return control_key_json(c, a, domain, &info, false, ret_json, err);
}

int control_dkim_create(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	json_t *bits = json_object_get(in, "bits");
	const char *domain, *type_text;
	enum key_type type;
	int r = control_string(in, "domain", &domain, err);

	if (r == 0)
		r = control_string(in, "type", &type_text, err);
	if (r < 0)
		return r;
	if (key_type_parse(span_of(type_text), &type) < 0)
		return err_set(err, POD_E_SYNTAX, "%.20s: a key is of type rsa or ed25519", type_text);
	if (bits &&
	    (type != KEY_RSA || json_integer_value(bits) < 0 || json_integer_value(bits) > UINT16_MAX))
		return err_set(err, POD_E_SYNTAX, "bits are for RSA keys, %d to 4096",
		               PUBLIC_KEY_RSA_BITS_MIN);
	return create(c, a, domain, type,
	              bits ? (unsigned int) json_integer_value(bits) : KEYS_RSA_BITS_DEFAULT, ret_answer,
	              err);
}

int control_dkim_rotate(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	json_t *made = json_array(), *key;
	struct key_list list;
	int r = read_list(c, a, in, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (list.keys[i].state != KEY_ACTIVE)
			continue;
		r = create(c, a, list.domain, list.keys[i].type, list.keys[i].bits, &key, err);
		if (r == 0)
			(void) json_array_append_new(made, key);
	}
	if (r == 0 && json_array_size(made) == 0)
		r = err_set(err, POD_E_NOTFOUND, "%s has no active key to be replaced", list.domain);
	if (r < 0)
		json_decref(made);
	else
		*ret_answer = json_pack("{s:o}", "keys", made);
	return r;
}

int control_dkim_schedule(struct control *c, struct arena *a, json_t *in, json_t **ret_answer,
                          struct err *err)
{
	json_t *days = json_object_get(in, "days");
	const char *domain;
	int r = control_string(in, "domain", &domain, err);

	if (r < 0)
		return r;
	if (!json_is_integer(days) || json_integer_value(days) < 0 || json_integer_value(days) > 3650 ||
	    (json_integer_value(days) > 0 && json_integer_value(days) < 14))
		return err_set(err, POD_E_SYNTAX, "keys are replaced every 14 to 3650 days, or never");
	r = keys_set_rotation(c->o.auth->keys, a, domain, (unsigned int) json_integer_value(days), err);
	if (r == 0)
		*ret_answer =
			json_pack("{s:s, s:I}", "domain", domain, "rotate_days", json_integer_value(days));
	return r;
}

/* ---- changing ---- */

static int find_key(struct control *c, struct arena *a, json_t *in, struct key_list *list,
                    const struct key_info **ret_info, struct err *err)
{
	const char *selector;
	int r = read_list(c, a, in, list, err);

	if (r == 0)
		r = control_string(in, "selector", &selector, err);
	if (r < 0)
		return r;
	*ret_info = keys_find(list, selector);
	return *ret_info ? 0 : err_set(err, POD_E_NOTFOUND, "%s has no key %.64s", list->domain, selector);
}

static int refuse_unpublished(const json_t *key, struct err *err)
{
	const char *dns = json_string_value(json_object_get(key, "dns"));

	if (strcmp(dns, key_published_name(KEY_PUBLISHED)) == 0)
		return 0;
	return err_set(err, POD_E_BUSY, "not activated, since receivers could not check its signatures: %s",
	               json_string_value(json_object_get(key, "dns_why")));
}

int control_dkim_activate(struct control *c, struct arena *a, json_t *in, json_t **ret_answer,
                          struct err *err)
{
	bool force = json_is_true(json_object_get(in, "force"));
	const struct key_info *info;
	struct key_list list;
	json_t *key = NULL;
	int r = find_key(c, a, in, &list, &info, err);

	if (r == 0)
		r = control_key_json(c, a, list.domain, info, true, &key, err);
	if (r < 0)
		return r;
	if (!force)
		r = refuse_unpublished(key, err);
	if (r == 0)
		r = keys_activate(c->o.auth->keys, a, list.domain, info->selector, clock_wall_s(), err);
	if (r < 0) {
		json_decref(key);
		return r;
	}
	log_event(NULL, LOGL_NOTICE, "dkim.key_activated", F_STR("domain", list.domain),
	          F_STR("selector", info->selector));
	(void) json_object_set_new(key, "state", json_string(key_state_name(KEY_ACTIVE)));
	*ret_answer = key;
	return 0;
}

static int64_t grace_s(struct control *c)
{
	void *hold;
	const struct conf *conf = c->o.conf_take(c->o.arg, &hold);
	int64_t s = (int64_t) (conf->auth.dkim_grace_ms / 1000);

	c->o.conf_release(c->o.arg, hold);
	return s;
}

int control_dkim_remove(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	bool force = json_is_true(json_object_get(in, "force"));
	const struct key_info *info;
	struct key_list list;
	int r = find_key(c, a, in, &list, &info, err);

	if (r < 0)
		return r;
	if (info->state == KEY_ACTIVE && !force)
		return err_set(err, POD_E_BUSY, "%s signs the mail of %s; activate another one first",
		               info->selector, list.domain);
	if (info->state == KEY_RETIRED && clock_wall_s() < info->retired_s + grace_s(c) && !force)
		return err_set(
			err, POD_E_BUSY,
			"%s was in use until a short while ago: mail that it signed may still be on its way",
			info->selector);
	r = keys_remove(c->o.auth->keys, a, list.domain, info->selector, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "dkim.key_removed", F_STR("domain", list.domain),
		          F_STR("selector", info->selector));
	*ret_answer =
		r == 0 ? json_pack("{s:s, s:s}", "domain", list.domain, "selector", info->selector) : NULL;
	return r;
}
