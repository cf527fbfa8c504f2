#include "podctl/drill/smtp.h"

#include <stdlib.h>

/* The reply's code, of the last of its lines. */
static int read_reply(struct talk *w, int *ret_code, struct err *err)
{
	char *line;
	int r;

	do {
		r = talk_line(w, &line, err);
		if (r < 0)
			return r;
	} while (line[0] && line[1] && line[2] && line[3] == '-');
	*ret_code = atoi(line);
	if (*ret_code < 200 || *ret_code > 599)
		return err_set(err, POD_E_PROTOCOL, "\"%.100s\" is no reply", line);
	return *ret_code < 400 ? 0
	                       : err_set(err, *ret_code < 500 ? POD_E_BUSY : POD_E_DENIED, "%.200s", line);
}

static int command(struct talk *w, const char *verb, const char *arg, struct err *err)
{
	int code, r = talk_send(w, err, "%s%s\r\n", verb, arg);

	return r < 0 ? r : read_reply(w, &code, err);
}

int smtp_open(struct talk *w, const struct talk_address *to, unsigned int timeout_ms, struct err *err)
{
	int code, r = talk_open(w, to, timeout_ms, err);

	if (r == 0)
		r = read_reply(w, &code, err);
	if (r == 0)
		r = command(w, "EHLO ", "drill.invalid", err);
	if (r < 0)
		talk_close(w);
	return r;
}

static int send_in_turn(struct talk *w, const char *from, const char *to, const char *text, struct err *err)
{
	int code, r = talk_send(w, err, "MAIL FROM:<%s>\r\n", from);

	if (r == 0)
		r = read_reply(w, &code, err);
	if (r == 0)
		r = talk_send(w, err, "RCPT TO:<%s>\r\n", to);
	if (r == 0)
		r = read_reply(w, &code, err);
	if (r == 0)
		r = command(w, "DATA", "", err);
	return r < 0 ? r : command(w, text, ".", err);
}

int smtp_send(struct talk *w, const char *from, const char *to, const char *text, struct err *err)
{
	int r = send_in_turn(w, from, to, text, err);

	if (r == -POD_E_BUSY || r == -POD_E_DENIED) {
		struct err more = { 0 };

		if (command(w, "RSET", "", &more) < 0)
			talk_close(w);
	} else if (r < 0) {
		talk_close(w);
	}
	return r;
}
