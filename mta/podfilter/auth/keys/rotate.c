/* When keys are replaced. */
#include "mta/podfilter/auth/keys/keys.h"

static bool has_new_of(const struct key_list *list, enum key_type type)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->keys[i].type == type && list->keys[i].state == KEY_NEW)
			return true;
	return false;
}

static enum rotation_step step_of(const struct key_list *list, const struct key_info *k, int64_t now_s,
                                  int64_t grace_s)
{
	int64_t due_s = k->activated_s + (int64_t) list->rotate_days * 86400;

	switch (k->state) {
	case KEY_NEW: return ROTATION_PUBLISH;
	case KEY_ACTIVE:
		return now_s >= due_s - ROTATION_LEAD_S && !has_new_of(list, k->type) && list->n < KEYS_MAX
		               ? ROTATION_CREATE
		               : ROTATION_NOTHING;
	case KEY_RETIRED: return now_s >= k->retired_s + grace_s ? ROTATION_REMOVE : ROTATION_NOTHING;
	}
	return ROTATION_NOTHING;
}

/* Removing and making come first: a key that waits for its record may wait for long. */
struct rotation rotation_next(const struct key_list *list, int64_t now_s, int64_t grace_s)
{
	struct rotation waiting = { .step = ROTATION_NOTHING };

	for (size_t i = 0; list->rotate_days && i < list->n; i++) {
		enum rotation_step step = step_of(list, &list->keys[i], now_s, grace_s);

		if (step == ROTATION_CREATE || step == ROTATION_REMOVE)
			return (struct rotation){ .step = step, .key = &list->keys[i] };
		if (step == ROTATION_PUBLISH)
			waiting = (struct rotation){ .step = step, .key = &list->keys[i] };
	}
	return waiting;
}
