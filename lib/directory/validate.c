#include "directory/validate.h"

#include "directory/directory_internal.h"

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* The in-sync list is what makes a failover lossless, so it must always say which replica is which. */
static int replicas_validate(const Directory__Volume *v, struct err *err)
{
	size_t primaries = 0;

	for (size_t i = 0; i < v->n_replicas; i++) {
		const Directory__Replica *replica = v->replicas[i];
		bool primary = strcmp(replica->site, v->primary_site) == 0;

		for (size_t j = 0; j < i; j++)
			if (strcmp(replica->site, v->replicas[j]->site) == 0)
				return err_set(err, POD_E_SYNTAX, "two replicas at the site %.64s",
				               replica->site);
		if (primary && !replica->in_sync)
			return err_set(err, POD_E_SYNTAX, "the primary at %.64s is in sync with itself",
			               replica->site);
		primaries += primary;
	}
	if (primaries != 1)
		return err_set(err, POD_E_SYNTAX, "one of the replicas is the primary, \"%.64s\" is none",
		               v->primary_site);
	return 0;
}

static int volume_validate(const Directory__Volume *v, struct err *err)
{
	static const char *const states[] = { "active", "full", "offline", "making", NULL };
	static const char *const kinds[] = { "", "directory", "replicated", NULL };
	static const char *const modes[] = { "sync", "semi-sync", "async", "none", NULL };

	if (!v->id[0])
		return err_set(err, POD_E_SYNTAX, "a volume needs an id");
	if (!is_one_of(v->state, states))
		return err_set(err, POD_E_SYNTAX, "a volume is active, full or offline, not \"%.32s\"",
		               v->state);
	if (!is_one_of(v->kind, kinds))
		return err_set(err, POD_E_SYNTAX, "a volume is a directory or replicated, not \"%.32s\"",
		               v->kind);
	for (size_t i = 0; i < v->n_replicas; i++)
		if (!is_one_of(v->replicas[i]->mode, modes))
			return err_set(err, POD_E_SYNTAX,
			               "a replica is sync, semi-sync, async or none, not \"%.32s\"",
			               v->replicas[i]->mode);
	return strcmp(v->kind, "replicated") == 0 ? replicas_validate(v, err) : 0;
}

static int user_validate(const Directory__User *u, struct err *err)
{
	static const char *const states[] = { "pending", "active", "suspended", NULL };

	if (!u->volume[0] || !u->user_id[0])
		return err_set(err, POD_E_SYNTAX, "a user needs a volume and a user id");
	if (!is_one_of(u->state, states))
		return err_set(err, POD_E_SYNTAX, "a user is pending, active or suspended, not \"%.32s\"",
		               u->state);
	if (u->n_send_as > DIRECTORY_SEND_AS_MAX)
		return err_set(err, POD_E_LIMIT, "more than %d addresses may send as this one", DIRECTORY_SEND_AS_MAX);
	return 0;
}

int directory_record_validate(enum directory_kind kind, const ProtobufCMessage *record, struct err *err)
{
	const Directory__Alias *alias = (const Directory__Alias *) record;
	const Directory__Group *group = (const Directory__Group *) record;

	if (record->descriptor != directory_kind_descriptor(kind))
		return err_set(err, POD_E_INTERNAL, "a record of another kind than %s",
		               directory_kind_name(kind));
	if (kind == DIRECTORY_VOLUME)
		return volume_validate((const Directory__Volume *) record, err);
	if (kind == DIRECTORY_USER)
		return user_validate((const Directory__User *) record, err);
	if (kind == DIRECTORY_ALIAS && alias->n_targets == 0)
		return err_set(err, POD_E_SYNTAX, "an alias needs a target");
	if ((kind == DIRECTORY_ALIAS && alias->n_targets > DIRECTORY_EXPAND_MAX) ||
	    (kind == DIRECTORY_GROUP && group->n_members > DIRECTORY_EXPAND_MAX))
		return err_set(err, POD_E_LIMIT, "more than %d addresses", DIRECTORY_EXPAND_MAX);
	if (kind == DIRECTORY_GROUP && group->n_send_as > DIRECTORY_SEND_AS_MAX)
		return err_set(err, POD_E_LIMIT, "more than %d addresses may send as this one", DIRECTORY_SEND_AS_MAX);
	return 0;
}

int directory_change_validate(enum directory_kind kind, const ProtobufCMessage *old,
                              const ProtobufCMessage *record, struct err *err)
{
	if (kind == DIRECTORY_VOLUME) {
		const Directory__Volume *from = (const Directory__Volume *) old,
					*to = (const Directory__Volume *) record;

		if (to->token < from->token)
			return err_set(err, POD_E_STALE, "fencing token %llu is older than %llu",
			               (unsigned long long) to->token, (unsigned long long) from->token);
	}
	if (kind == DIRECTORY_USER) {
		const Directory__User *from = (const Directory__User *) old,
				      *to = (const Directory__User *) record;

		if (strcmp(from->user_id, to->user_id) != 0)
			return err_set(err, POD_E_DENIED, "a user id never changes");
	}
	return 0;
}
