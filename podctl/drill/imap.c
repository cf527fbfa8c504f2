#include "podctl/drill/imap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TAG         "d "
#define SUBJECT_MAX 256

struct fetch {
	imap_message_fn *fn;
	void *arg;
	uint32_t from_uid;
};

/* The length of a literal that the line ends with, or 0. */
static size_t literal_of(const char *line)
{
	const char *open = strrchr(line, '{');
	size_t len = strlen(line);

	return open && len && line[len - 1] == '}' ? strtoul(open + 1, NULL, 10) : 0;
}

static void take_subject(char *header)
{
	char *start = strcasestr(header, "Subject: "), *end;

	start = start ? start + strlen("Subject: ") : header;
	end = strpbrk(start, "\r\n");
	if (end)
		*end = '\0';
	memmove(header, start, strlen(start) + 1);
}

/* "* 3 FETCH (UID 7 FLAGS (\Flagged) BODY[HEADER.FIELDS (SUBJECT)] {25}", the field, ")". */
static int read_fetch(struct talk *w, const char *line, const struct fetch *f, struct err *err)
{
	const char *uid = strstr(line, "UID ");
	bool flagged = strstr(line, "\\Flagged") != NULL;
	uint32_t number = uid ? (uint32_t) strtoul(uid + 4, NULL, 10) : 0;
	char subject[SUBJECT_MAX] = "", *rest;
	size_t len = literal_of(line);
	int r = len ? talk_skip(w, len, subject, sizeof(subject), err) : 0;

	if (r == 0 && len)
		r = talk_line(w, &rest, err);
	/* "n:*" is also the last message where that is below n. */
	if (r == 0 && f && number >= f->from_uid) {
		take_subject(subject);
		f->fn(f->arg, number, subject, flagged);
	}
	return r;
}

/* Up to the tagged answer. */
static int read_answer(struct talk *w, const struct fetch *f, struct err *err)
{
	for (;;) {
		char *line;
		int r = talk_line(w, &line, err);

		if (r == 0 && strncmp(line, TAG, strlen(TAG)) == 0) {
			if (strncmp(line + strlen(TAG), "OK", 2) == 0)
				return 0;
			return err_set(
				err, strncmp(line + strlen(TAG), "NO", 2) == 0 ? POD_E_BUSY : POD_E_PROTOCOL,
				"%.200s", line + strlen(TAG));
		}
		if (r == 0 && line[0] == '*' && strncasecmp(line, "* BYE", 5) == 0)
			return err_set(err, POD_E_UNAVAILABLE, "%.200s", line);
		if (r == 0 && strstr(line, " FETCH ("))
			r = read_fetch(w, line, f, err);
		if (r < 0)
			return r;
	}
}

int imap_open(struct talk *w, const struct talk_address *to, const char *user, const char *password,
              unsigned int timeout_ms, struct err *err)
{
	char *greeting;
	int r = talk_open(w, to, timeout_ms, err);

	if (r == 0)
		r = talk_line(w, &greeting, err);
	if (r == 0)
		r = talk_send(w, err, TAG "LOGIN \"%s\" \"%s\"\r\n", user, password);
	if (r == 0)
		r = read_answer(w, NULL, err);
	if (r == 0)
		r = talk_send(w, err, TAG "SELECT INBOX\r\n");
	if (r == 0)
		r = read_answer(w, NULL, err);
	if (r < 0)
		talk_close(w);
	return r;
}

int imap_fetch(struct talk *w, uint32_t from_uid, imap_message_fn *fn, void *arg, struct err *err)
{
	const struct fetch f = { fn, arg, from_uid };
	int r = talk_send(w, err, TAG "UID FETCH %u:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n",
	                  from_uid);

	if (r == 0)
		r = read_answer(w, &f, err);
	if (r < 0)
		talk_close(w);
	return r;
}

int imap_set_flagged(struct talk *w, uint32_t uid, struct err *err)
{
	int r = talk_send(w, err, TAG "UID STORE %u +FLAGS.SILENT (\\Flagged)\r\n", uid);

	if (r == 0)
		r = read_answer(w, NULL, err);
	if (r < 0 && r != -POD_E_BUSY)
		talk_close(w);
	return r;
}
