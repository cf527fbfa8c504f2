/*
 * The sending side of SMTP over whatever a server says. The first byte picks the settings, the second how the
 * bytes are cut. What must hold: every transaction ends, with a verdict for each recipient that fits how it
 * ended; commands are whole lines; nobody is sent a password in clear.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "smtp/client.h"

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)
#define RCPTS 3

struct fuzz {
	struct smtp_client *c;
	struct buf out;
	struct smtp_client_mail mail;
	struct smtp_client_rcpt rcpts[RCPTS];
	unsigned int mails;
	bool under_way, safe;
};

static void mail_ended(struct fuzz *f)
{
	f->under_way = false;
	for (size_t i = 0; i < RCPTS; i++) {
		const struct smtp_client_rcpt *r = &f->rcpts[i];

		MUST(r->verdict != SMTP_VERDICT_ACCEPTED);
		MUST(r->verdict == SMTP_VERDICT_WAITING || r->text);
		MUST(r->verdict != SMTP_VERDICT_TAKEN || r->code / 100 == 2);
		MUST(r->verdict == SMTP_VERDICT_WAITING || strlen(r->text) <= 500);
	}
}

static void act(struct fuzz *f)
{
	for (int turns = 0; turns < 10; turns++) {
		MUST(f->out.len == 0 || f->out.p[f->out.len - 1] == '\n');
		MUST(f->safe || span_find(buf_span(&f->out), SPAN_LIT("AUTH PLAIN")) == SIZE_MAX);
		buf_clear(&f->out);
		switch (smtp_client_wants(f->c)) {
		case SMTP_CLIENT_TLS:
			f->safe = true;
			smtp_client_tls_done(f->c);
			break;
		case SMTP_CLIENT_BODY: smtp_client_body_sent(f->c); break;
		case SMTP_CLIENT_READY:
			if (f->under_way)
				mail_ended(f);
			if (f->mails++ == 3)
				smtp_client_quit(f->c);
			else {
				f->under_way = true;
				smtp_client_mail(f->c, &f->mail);
			}
			break;
		default: return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct smtp_client_settings settings = { .hostname = "us.test",
		                                 .server = "mx.test",
		                                 .pipelined_body_max = 100 };
	struct fuzz f = { 0 };
	size_t step, at = 2;

	if (len < 2)
		return 0;
	settings.tls = data[0] % 3;
	if (data[0] & 4) {
		settings.login = "user";
		settings.password = "secret";
	}
	step = data[1] ? data[1] : len;
	f.mail = (struct smtp_client_mail){ .arena = a,
		                            .sender = SPAN_LIT("a@us.test"),
		                            .size = data[0] & 8 ? 50 : 500,
		                            .rcpts = f.rcpts,
		                            .n_rcpts = RCPTS };
	for (size_t i = 0; i < RCPTS; i++)
		f.rcpts[i].address = SPAN_LIT("b@there.test");
	f.c = smtp_client_create(&settings, &f.out);
	while (at < len && smtp_client_wants(f.c) != SMTP_CLIENT_CLOSE) {
		size_t n = len - at < step ? len - at : step;

		smtp_client_input(f.c, span_make(data + at, n));
		at += n;
		act(&f);
	}
	smtp_client_lost(f.c, "the end");
	MUST(smtp_client_wants(f.c) == SMTP_CLIENT_CLOSE);
	if (f.under_way)
		mail_ended(&f);
	(void) smtp_client_free(f.c);
	buf_done(&f.out);
	return 0;
}
