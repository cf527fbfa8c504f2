/* What a store tells of a restore, kept and shown as JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/restores_internal.h"

static const char *const whats[] = { [RESTORE_MESSAGE] = "message",
	                             [RESTORE_MAILBOX] = "mailbox",
	                             [RESTORE_USER] = "user",
	                             [RESTORE_VOLUME] = "volume" };
static const char *const steps[] = {
	[RESTORE_SOURCE] = "mounting", [RESTORE_ACCOUNT] = "account", [RESTORE_MAIL] = "running"
};
static const char *const item_states[] = { "found", "present", "restored", "failed" };

/* Bytes of a message's header, as the store's parser found them: what is no UTF-8 is shown without its odd
 * bytes. */
static json_t *text_json(const ProtobufCBinaryData *bytes)
{
	/* Empty bytes have no address in protobuf's messages. */
	json_t *text = bytes->len ? json_stringn((const char *) bytes->data, bytes->len) : json_string("");
	char *ascii;

	if (text)
		return text;
	ascii = malloc(bytes->len + 1);
	if (!ascii)
		return NULL;
	memcpy(ascii, bytes->data, bytes->len);
	for (size_t i = 0; i < bytes->len; i++)
		if (bytes->data[i] < 0x20 || bytes->data[i] >= 0x7f)
			ascii[i] = '?';
	text = json_stringn(ascii, bytes->len);
	free(ascii);
	return text;
}

static json_t *item_json(const Podstore__RestoreItem *item)
{
	unsigned int state =
		item->state < ARRAY_SIZE(item_states) ? item->state : ARRAY_SIZE(item_states) - 1;

	return json_pack("{ss, ss, sI, sI, sI, sI, ss, so, so, so}", "mailbox", item->mailbox, "into",
	                 item->into, "uid", (json_int_t) item->uid, "new_uid", (json_int_t) item->new_uid,
	                 "date", (json_int_t) item->internal_date, "size_bytes", (json_int_t) item->size,
	                 "state", item_states[state], "subject", text_json(&item->subject), "sender",
	                 text_json(&item->from), "message_id", text_json(&item->message_id));
}

static void append(struct restore_job *job, json_t *list, size_t max, json_t *entry)
{
	if (json_array_size(list) >= max) {
		json_decref(entry);
		job->incomplete = true;
	} else if (json_array_append_new(list, entry) < 0) {
		job->incomplete = true;
	}
}

void restore_job_take_report(struct restore_job *job, const Podstore__RestoreReport *report)
{
	job->mailboxes = report->mailboxes;
	job->examined = report->examined;
	job->found = report->found;
	job->present = report->present;
	job->restored = report->restored;
	job->failed = report->failed;
	job->bytes = report->bytes;
	for (size_t i = 0; i < report->n_items; i++)
		append(job, job->items, RESTORE_ITEMS_MAX, item_json(report->items[i]));
	for (size_t i = 0; i < report->n_problems; i++)
		append(job, job->problems, RESTORE_PROBLEMS_MAX, json_string(report->problems[i]));
}

static const char *state_of(const struct restore_job *job)
{
	if (job->step != RESTORE_DONE)
		return steps[job->step];
	if (job->err.code == POD_E_CANCELLED && job->cancelled)
		return "cancelled";
	return job->err.code ? "failed" : "done";
}

static int add_whole(const struct restore_job *job, json_t *json)
{
	if (json_object_set(json, "items", job->items) < 0 ||
	    json_object_set(json, "problems", job->problems) < 0)
		return -POD_E_NOMEM;
	if (!job->err.code || job->step != RESTORE_DONE)
		return 0;
	return json_object_set_new(json, "error",
	                           json_pack("{ss, ss}", "code", err_code_name(job->err.code), "message",
	                                     err_text(&job->err))) < 0
	               ? -POD_E_NOMEM
	               : 0;
}

json_t *restore_job_json(const struct restore_job *job, bool whole)
{
	json_t *json = json_pack("{sI, ss, ss, ss, ss*, ss*, sb, sb, sI, sI, sI, sI, sI, sI, sI, sI, sI, sb}",
	                         "id", (json_int_t) job->id, "what", whats[job->rq.what], "user",
	                         job->rq.address, "state", state_of(job), "volume", job->volume, "source",
	                         job->rq.folder ? job->rq.folder : job->rq.snapshot, "list", job->rq.list,
	                         "new_user", job->new_user, "mailboxes", (json_int_t) job->mailboxes,
	                         "examined", (json_int_t) job->examined, "found", (json_int_t) job->found,
	                         "present", (json_int_t) job->present, "restored", (json_int_t) job->restored,
	                         "failed", (json_int_t) job->failed, "bytes", (json_int_t) job->bytes,
	                         "started", (json_int_t) job->started, "ended", (json_int_t) job->ended,
	                         "incomplete", job->incomplete);

	if (json && whole && add_whole(job, json) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
