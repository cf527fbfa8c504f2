#include "podctl/podd/trace_story.h"

#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/trace.h"

/* What an event says about a recipient, or about all that still wait (of_all). */
static const struct step {
	const char *event, *state;
	bool of_all;
} steps[] = {
	{ "rcpt.delivered", "delivered", false }, { "rcpt.sent", "sent", false },
	{ "rcpt.queued", "waiting", false },      { "rcpt.deferred", "waiting", false },
	{ "rcpt.failed", "failed", false },       { "rcpt.refused", "refused", false },
	{ "rcpt.expired", "expired", false },     { "message.held", "held", true },
	{ "queue.held", "held", true },           { "queue.released", "waiting", true },
	{ "queue.removed", "removed", true },
};

static const struct step *step_of(const char *event)
{
	for (size_t i = 0; event && i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i].event, event) == 0)
			return &steps[i];
	return NULL;
}

static const char *field(const json_t *event, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(event, "fields"), name));

	return text && *text ? text : NULL;
}

static const char *event_name(const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));

	return name ? name : "";
}

static bool state_is(const json_t *recipient, const char *state)
{
	const char *now = json_string_value(json_object_get(recipient, "state"));

	return now && strcmp(now, state) == 0;
}

static json_t *recipient_named(json_t *recipients, const char *address)
{
	json_t *r;
	size_t i;

	json_array_foreach(recipients, i, r) if (strcasecmp(json_string_value(json_object_get(r, "address")), address) == 0)
		return r;
	r = json_pack("{ss}", "address", address);
	return json_array_append_new(recipients, r) == 0 ? r : NULL;
}

static void set_state(json_t *recipient, const char *state, const json_t *event)
{
	const char *text = field(event, "text");

	(void) json_object_set_new(recipient, "state", json_string(state));
	(void) json_object_set(recipient, "time", json_object_get(event, "time"));
	(void) json_object_set_new(recipient, "text", json_string(text ? text : ""));
}

/* An alias' recipient goes on under the name of its mailbox. */
static void take_step(json_t *recipients, const struct step *s, const json_t *event)
{
	const char *address = field(event, "mailbox") ? field(event, "mailbox") : field(event, "rcpt");
	json_t *r;
	size_t i;

	if (!s->of_all && address) {
		r = recipient_named(recipients, address);
		if (r)
			set_state(r, s->state, event);
	}
	if (!s->of_all)
		return;
	json_array_foreach(recipients, i, r) if (state_is(r, "waiting") || state_is(r, "held"))
		set_state(r, s->state, event);
}

/* Where nothing of it reached the queue, "not now" was said to its sender, who keeps it. */
static void settle_put_off(json_t *recipients, bool queued)
{
	json_t *r;
	size_t i;

	if (queued)
		return;
	json_array_foreach(recipients, i, r) if (state_is(r, "waiting"))
		(void) json_object_set_new(r, "state", json_string("put-off"));
}

static const char *state_of_all(const json_t *recipients)
{
	const char *all = "unknown";
	const json_t *r;
	bool first = true;
	size_t i;

	json_array_foreach(recipients, i, r)
	{
		const char *one = json_string_value(json_object_get(r, "state"));

		if (state_is(r, "waiting") || state_is(r, "held"))
			return one;
		if (!first && one && strcmp(all, one) != 0)
			all = "mixed";
		else if (one)
			all = one;
		first = false;
	}
	return all;
}

static bool was_queued(const json_t *events)
{
	const json_t *e;
	size_t i;

	json_array_foreach(events, i, e) if (strcmp(event_name(e), "message.queued") == 0 ||
	                                     strcmp(event_name(e), "message.held") == 0)
		return true;
	return false;
}

static void note_event(json_t *story, const char *trace, json_t *event)
{
	const struct step *s = step_of(event_name(event));
	const char *report = field(event, "report"), *of = field(event, "trace");

	if (report && strcmp(report, trace) == 0) {
		(void) json_object_set_new(story, "report_on", json_string(of ? of : ""));
		return;
	}
	if (s)
		take_step(json_object_get(story, "recipients"), s, event);
	if (report)
		(void) json_array_append_new(json_object_get(story, "reports"), json_string(report));
	if (field(event, "sender") && !json_object_get(story, "sender"))
		(void) json_object_set_new(story, "sender", json_string(field(event, "sender")));
	if (!json_object_get(story, "first"))
		(void) json_object_set(story, "first", json_object_get(event, "time"));
	(void) json_object_set(story, "last", json_object_get(event, "time"));
}

json_t *trace_story_of(const char *trace, json_t *events)
{
	json_t *story = json_pack("{ss, s[], s[]}", "trace", trace, "recipients", "reports"), *e;
	size_t i;

	if (!story)
		return NULL;
	json_array_foreach(events, i, e) note_event(story, trace, e);
	settle_put_off(json_object_get(story, "recipients"), was_queued(events));
	(void) json_object_set_new(story, "state", json_string(state_of_all(json_object_get(story, "recipients"))));
	if (json_object_set(story, "events", events) == 0)
		return story;
	json_decref(story);
	return NULL;
}

static bool collect(void *arg, struct span line)
{
	json_t *events = arg;

	return json_array_append_new(events, trace_line_json(line)) == 0 && json_array_size(events) < STORY_EVENTS_MAX;
}

int trace_story(struct tracebook *book, const char *trace, json_t **ret_story, struct err *err)
{
	json_t *events = json_array(), *story;
	int r = events ? tracebook_of_message(book, trace, collect, events, err) : err_set(err, POD_E_NOMEM, "trace");

	if (r == 0 && json_array_size(events) == 0)
		r = err_set(err, POD_E_NOTFOUND, "nothing is known about %.64s", trace);
	story = r == 0 ? trace_story_of(trace, events) : NULL;
	json_decref(events);
	if (r < 0)
		return r;
	if (!story)
		return err_set(err, POD_E_NOMEM, "trace");
	*ret_story = story;
	return 0;
}
