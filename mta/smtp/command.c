#include "mta/smtp/internal.h"

#include "base/cleanup.h"

/*
 * Line limits with the CRLF: RFC 5321 4.5.3.1.4 gives 512, and extensions add to it. MAIL: SIZE 26, BODY 17,
 * SMTPUTF8 10, AUTH 500, RET and ENVID 116, BY 17, MT-PRIORITY 15, HOLDFOR and HOLDUNTIL 34, REQUIRETLS 11,
 * TRANSID 43. RCPT: NOTIFY 36 and ORCPT 501. Addresses of 254 octets in UTF-8 fit into that. AUTH has what
 * RFC 4954 section 4 asks for.
 */
#define LINE 512
#define LINE_MAIL (LINE + 26 + 17 + 10 + 500 + 116 + 17 + 15 + 34 + 11 + 43)
#define LINE_BURL (LINE + 2000) /* RFC 4468 3.2 leaves the length of a URL to us */
#define LINE_RCPT (LINE + 36 + 501)

static const struct smtp_command commands[] = {
	/* verb       handler       legal in                             flags            longest line */
	{ "MAIL",     cmd_mail,     IN(READY),                           CMD_NEEDS_AUTH,  LINE_MAIL },
	{ "RCPT",     cmd_rcpt,     IN(MAIL) | IN(RCPT),                 CMD_NEEDS_AUTH,  LINE_RCPT },
	{ "DATA",     cmd_data,     IN(RCPT),                            CMD_NO_ARGUMENT, LINE },
	{ "BDAT",     cmd_bdat,     IN_ANY /* swallows its bytes */,     0,               LINE },
	{ "BURL",     cmd_burl,     IN(RCPT) | IN(BDAT),                 CMD_SMTP_ONLY | CMD_NEEDS_AUTH, LINE_BURL },
	{ "EHLO",     cmd_ehlo,     IN_ANY,                              CMD_SMTP_ONLY,   LINE },
	{ "HELO",     cmd_helo,     IN_ANY,                              CMD_SMTP_ONLY,   LINE },
	{ "LHLO",     cmd_ehlo,     IN_ANY,                              CMD_LMTP_ONLY,   LINE },
	{ "STARTTLS", cmd_starttls, IN(NEW) | IN(READY),                 CMD_NO_ARGUMENT, LINE },
	{ "AUTH",     cmd_auth,     IN(READY),                           0,               SMTP_LINE_MAX },
	{ "RSET",     cmd_rset,     IN_ANY,                              CMD_NO_ARGUMENT, LINE },
	{ "NOOP",     cmd_noop,     IN_ANY,                              0,               LINE },
	{ "QUIT",     cmd_quit,     IN_ANY,                              CMD_NO_ARGUMENT, LINE },
	{ "VRFY",     cmd_vrfy,     IN_ANY,                              CMD_NEEDS_AUTH,  LINE },
	{ "EXPN",     cmd_expn,     IN_ANY,                              0,               LINE },
	{ "HELP",     cmd_help,     IN_ANY,                              0,               LINE },
};

const struct smtp_command *smtp_command_find(struct span verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (span_eq_nocase(verb, span_of(commands[i].verb)))
			return &commands[i];
	return NULL;
}
