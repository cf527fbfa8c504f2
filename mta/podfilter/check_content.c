/* What a message carries: files that are not let in, and structures that are meant to break whoever reads
 * them. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/podfilter/checks.h"
#include "mta/podfilter/content/inspect.h"

/* Unpacking takes memory, some 16 MiB for each level of archives: so many messages at a time. */
#define AT_A_TIME      4
#define UNPACKED_BYTES (64u << 20)
#define ENTRIES        10000

struct content {
	sem_t turns;
};

static int content_configure(const struct conf *conf, void **ret_content, struct err *err)
{
	struct content *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, POD_E_NOMEM, "content");
	(void) sem_init(&c->turns, 0, AT_A_TIME);
	*ret_content = c;
	return 0;
}

static void content_configure_done(void *of_check)
{
	struct content *c = of_check;

	(void) sem_destroy(&c->turns);
	free(c);
}

/* The flags that are refused whatever the configuration says: there is no good reason for them. */
static const struct {
	unsigned int flag;
	const char *symbol, *text;
} refusals[] = {
	{ INSPECT_TOO_MANY_PARTS, "MIME_PARTS", "The message has too many parts" },
	{ INSPECT_TOO_DEEP, "MIME_NESTING", "The message's parts are nested too deep" },
	{ INSPECT_ARCHIVE_TOO_DEEP, "ARCHIVE_NESTING", "An archive is nested too deep in others" },
	{ INSPECT_BOMB, "ARCHIVE_BOMB", "An archive holds more than is looked at" },
};

/* And those that are findings, with their points; what is banned has filter.banned_action, too. */
static const struct {
	unsigned int flag;
	const char *symbol;
	int weight;
	bool banned;
} findings[] = {
	{ INSPECT_BANNED, "BANNED_NAME", 500, true },
	{ INSPECT_PROGRAM, "EXECUTABLE", 600, true },
	{ INSPECT_DOUBLE, "DOUBLE_EXTENSION", 500, true },
	{ INSPECT_TRICK, "NAME_TRICK", 500, true },
	{ INSPECT_ENCRYPTED, "ARCHIVE_ENCRYPTED", 150, false },
	{ INSPECT_OPAQUE, "ARCHIVE_OPAQUE", 20, false },
};

static void ban(struct message *m, const struct inspection *seen)
{
	char text[240];

	(void) snprintf(text, sizeof(text), "A file is not let in here: %s",
	                seen->what[0] ? seen->what : "a program");
	if (m->session->settings->conf->filter.banned_action != FILTER_ACTION_NONE)
		message_force(m, verdict_of_action(m->session->settings->conf->filter.banned_action), text);
}

static void conclude(struct message *m, const struct inspection *seen)
{
	bool banned = false;

	for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++)
		if (seen->flags & findings[i].flag) {
			message_find(m, findings[i].symbol, findings[i].weight, seen->what);
			banned |= findings[i].banned;
		}
	if (banned)
		ban(m, seen);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (seen->flags & refusals[i].flag) {
			message_find(m, refusals[i].symbol, 0, seen->what);
			message_force(m, VERDICT_REJECT, refusals[i].text);
		}
}

static void content_judge(struct message *m)
{
	const struct filter_conf *c = &m->session->settings->conf->filter;
	struct content *content = m->session->settings->of_check[check_self(&check_content)];
	const struct inspect_limits limits = { span_of(c->banned_extensions), c->max_parts,   c->max_nesting,
		                               c->max_archive_nesting,        UNPACKED_BYTES, ENTRIES };
	struct inspection seen;
	struct span bytes;
	int r;

	while (sem_wait(&content->turns) < 0)
		; /* EINTR */
	r = spool_bytes(m->spool, &bytes, NULL);
	if (r == 0)
		r = inspect_message(bytes, &limits, &seen);
	(void) sem_post(&content->turns);
	if (r == 0)
		conclude(m, &seen);
	else
		message_force(m, VERDICT_TEMPFAIL, "The message cannot be looked at now; try again later");
}

const struct check check_content = {
	.name = "content",
	.directions = CHECK_IN,
	.configure = content_configure,
	.configure_done = content_configure_done,
	.judge = content_judge,
};
