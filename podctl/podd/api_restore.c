/* Restores: what is asked for, read and checked; restores.c does it. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/restores.h"

#define UIDS_MAX 1000

/* ---- numbers of messages: "3,7:9" ---- */

static int uid_range_read(struct span text, Podstore__UidRange *ret)
{
	struct span last, first = span_split(text, ':', &last);

	podstore__uid_range__init(ret);
	if (span_to_u32(first, &ret->first) < 0 || span_to_u32(last.p ? last : first, &ret->last) < 0 ||
	    ret->first == 0 || ret->last < ret->first)
		return -POD_E_SYNTAX;
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const Podstore__UidRange *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The store wants them ascending and disjoint. */
static size_t join_ranges(Podstore__UidRange *r, size_t n)
{
	size_t kept = 0;

	qsort(r, n, sizeof(*r), by_first);
	for (size_t i = 1; i < n; i++) {
		if (r[i].first > r[kept].last)
			r[++kept] = r[i];
		else if (r[i].last > r[kept].last)
			r[kept].last = r[i].last;
	}
	return kept + 1;
}

static int uids_read(const struct api_call *call, struct restore_request *rq, struct err *err)
{
	Podstore__UidRange *ranges;
	const char *text;
	struct span rest;
	size_t n = 0;
	int r = api_string(call, "uids", &text, err);

	if (r < 0 || !text)
		return r;
	ranges = arena_array(call->arena, UIDS_MAX, sizeof(*ranges));
	if (!ranges)
		return err_set(err, POD_E_NOMEM, "restore");
	for (rest = span_of(text); rest.p && n < UIDS_MAX; n++)
		if (uid_range_read(span_split(rest, ',', &rest), &ranges[n]) < 0)
			return err_set(err, POD_E_SYNTAX, "\"%.64s\" are no uids; write 3,7:9", text);
	if (rest.p)
		return err_set(err, POD_E_LIMIT, "more than %d ranges of uids", UIDS_MAX);
	rq->uids = ranges;
	rq->uids_n = join_ranges(ranges, n);
	return 0;
}

/* ---- the request ---- */

static int what_read(const struct api_call *call, enum restore_what *ret, struct err *err)
{
	static const char *const names[] = { "message", "mailbox", "user", "volume" };
	const char *text;
	int r = api_string_required(call, "what", &text, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum restore_what) i;
			return 0;
		}
	return r < 0 ? r : err_set(err, POD_E_SYNTAX, "what is message, mailbox, user or volume");
}

static int time_read(const struct api_call *call, const char *name, int64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(call->body, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) <= 0)
		return err_set(err, POD_E_SYNTAX, "%s must be seconds since 1970", name);
	*ret = json_integer_value(value);
	return 0;
}

static bool narrows(const struct restore_request *rq)
{
	return rq->uids_n || rq->message_id || rq->subject || rq->sender || rq->since || rq->before;
}

/* What goes together. */
static int check(const struct restore_request *rq, struct err *err)
{
	if (!rq->folder == !rq->snapshot)
		return err_set(err, POD_E_SYNTAX, "where from? a snapshot, or a folder");
	if (rq->folder && rq->folder[0] != '/')
		return err_set(err, POD_E_SYNTAX, "folder must be an absolute path");
	if (rq->site && !rq->snapshot)
		return err_set(err, POD_E_SYNTAX, "site goes with a snapshot");
	if (rq->as && rq->what != RESTORE_VOLUME)
		return err_set(err, POD_E_SYNTAX, "as goes with volume");
	if (rq->uids_n && !rq->mailbox)
		return err_set(err, POD_E_SYNTAX, "uids are of a mailbox: which one?");
	switch (rq->what) {
	case RESTORE_MESSAGE:
		return narrows(rq) || rq->list
		               ? 0
		               : err_set(err, POD_E_SYNTAX,
		                         "say which message: uids of a mailbox, message_id, subject, sender, "
		                         "since or before");
	case RESTORE_MAILBOX: return rq->mailbox ? 0 : err_set(err, POD_E_SYNTAX, "mailbox is missing");
	case RESTORE_VOLUME:
		return rq->volume && !rq->mailbox && !narrows(rq) && !rq->list
		               ? 0
		               : err_set(err, POD_E_SYNTAX, "a volume is restored as a whole: which one?");
	case RESTORE_USER:
		return rq->mailbox ? err_set(err, POD_E_SYNTAX, "a user is restored with all mailboxes") : 0;
	}
	return 0;
}

/* Of a volume it is nobody in particular. */
static int user_read(const struct api_call *call, struct restore_request *rq, struct err *err)
{
	const char *address;
	int r;

	if (rq->what == RESTORE_VOLUME)
		return json_object_get(call->body, "user")
		               ? err_set(err, POD_E_SYNTAX, "user goes with message, mailbox and user")
		               : 0;
	r = api_string_required(call, "user", &address, err);
	return r < 0 ? r : api_address(call, address, &rq->address, err);
}

static int request_read(const struct api_call *call, struct restore_request *rq, struct err *err)
{
	static const char *const fields[] = { "what",     "user",       "folder",  "volume", "mailbox",
		                              "into",     "uids",       "since",   "before", "list",
		                              "force",    "message_id", "subject", "sender", "ignore_quota",
		                              "snapshot", "site",       "as" };
	bool there;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = what_read(call, &rq->what, err)) < 0 || (r = user_read(call, rq, err)) < 0 ||
	    (r = api_string(call, "folder", &rq->folder, err)) < 0 ||
	    (r = api_string(call, "snapshot", &rq->snapshot, err)) < 0 ||
	    (r = api_string(call, "site", &rq->site, err)) < 0 ||
	    (r = api_string(call, "volume", &rq->volume, err)) < 0 ||
	    (r = api_string(call, "as", &rq->as, err)) < 0 ||
	    (r = api_string(call, "mailbox", &rq->mailbox, err)) < 0 ||
	    (r = api_string(call, "into", &rq->into, err)) < 0 ||
	    (r = api_string(call, "message_id", &rq->message_id, err)) < 0 ||
	    (r = api_string(call, "subject", &rq->subject, err)) < 0 ||
	    (r = api_string(call, "sender", &rq->sender, err)) < 0 ||
	    (r = time_read(call, "since", &rq->since, err)) < 0 ||
	    (r = time_read(call, "before", &rq->before, err)) < 0 ||
	    (r = api_bool(call, "list", &there, &rq->list, err)) < 0 ||
	    (r = api_bool(call, "force", &there, &rq->force, err)) < 0 ||
	    (r = api_bool(call, "ignore_quota", &there, &rq->ignore_quota, err)) < 0 ||
	    (r = uids_read(call, rq, err)) < 0)
		return r;
	return check(rq, err);
}

void api_restore_add(struct api_call *call)
{
	struct restore_request rq = { 0 };
	struct restores *rs = call->podd->restores;
	struct err err = { 0 };
	unsigned int id;

	if (request_read(call, &rq, &err) < 0 || restores_begin(rs, &rq, &id, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 202, restores_json(rs, id));
}

/* ---- asked about ---- */

static int id_read(const struct api_call *call, unsigned int *ret_id, struct err *err)
{
	uint32_t id = 0;

	if (span_to_u32(span_of(call->params[0]), &id) < 0)
		return err_set(err, POD_E_SYNTAX, "\"%.32s\" is no number of a restore", call->params[0]);
	*ret_id = id;
	return 0;
}

void api_restore_list(struct api_call *call)
{
	api_reply(call, 200,
	          json_pack("{so, sb}", "restores", restores_json_all(call->podd->restores), "more", 0));
}

void api_restore_get(struct api_call *call)
{
	struct err err = { 0 };
	json_t *answer = NULL;
	unsigned int id;

	if (id_read(call, &id, &err) == 0) {
		answer = restores_json(call->podd->restores, id);
		if (!answer)
			(void) err_set(&err, POD_E_NOTFOUND, "there is no restore %u", id);
	}
	if (answer)
		api_reply(call, 200, answer);
	else
		api_fail(call, &err);
}

void api_restore_cancel(struct api_call *call)
{
	struct err err = { 0 };
	unsigned int id;

	if (id_read(call, &id, &err) < 0 || restores_cancel(call->podd->restores, id, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 200, restores_json(call->podd->restores, id));
}
