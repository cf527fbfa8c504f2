/*
 * A milter on libmilter that does what a script says, and writes down what it is told: one JSON object a
 * line.
 *
 *   scripted_milter SOCKET SCRIPT LOG
 *
 * Script lines: KEY STAGE ACTION [ARG|ARG...]. KEY is "*", at helo the name given there, from mail on the
 * local part of the sender. At stage "negotiate" actions are "actions N", "steps N" and "macros STAGE|LIST".
 */
#include <jansson.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULES_MAX 256
#define ARGS_MAX  8
#define MULTI_MAX 4

struct rule {
	char *key, *stage, *action;
	char *args[ARGS_MAX];
	int n;
};

static struct rule rules[RULES_MAX];
static int n_rules;
static FILE *log_file;

struct session {
	char key[256];
};

/* ---- the script ---- */

static void read_rule(char *line)
{
	struct rule *r = &rules[n_rules];
	char *save = NULL, *args;

	r->key = strtok_r(line, " ", &save);
	r->stage = strtok_r(NULL, " ", &save);
	r->action = strtok_r(NULL, " ", &save);
	if (!r->action)
		return;
	for (args = strtok_r(save, "|", &save); args && r->n < ARGS_MAX; args = strtok_r(NULL, "|", &save))
		r->args[r->n++] = args;
	n_rules++;
}

static void read_script(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096];

	while (f && fgets(line, sizeof(line), f) && n_rules < RULES_MAX) {
		char *kept;

		line[strcspn(line, "\n")] = '\0';
		kept = strdup(line);
		if (*line && *line != '#')
			read_rule(kept);
	}
	if (f)
		(void) fclose(f);
}

static const char *arg(const struct rule *r, int i)
{
	return i < r->n ? r->args[i] : "";
}

static char *text(const struct rule *r, int i)
{
	/* "\n" in a script is a line end of a field's value. */
	char *s = strdup(arg(r, i)), *at;

	while ((at = strstr(s, "\\n"))) {
		*at = '\n';
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	}
	return s;
}

/* ---- the log ---- */

static const char *const macro_names[] = {
	"j",
	"v",
	"_",
	"i",
	"r",
	"s",
	"b",
	"{client_name}",
	"{client_addr}",
	"{client_port}",
	"{client_ptr}",
	"{client_resolve}",
	"{daemon_name}",
	"{daemon_addr}",
	"{daemon_port}",
	"{if_name}",
	"{if_addr}",
	"{tls_version}",
	"{cipher}",
	"{cipher_bits}",
	"{auth_type}",
	"{auth_authen}",
	"{auth_author}",
	"{mail_addr}",
	"{mail_host}",
	"{mail_mailer}",
	"{rcpt_addr}",
	"{rcpt_host}",
	"{rcpt_mailer}",
	"{nrcpts}",
	"{nbadrcpts}",
	"{msg_id}",
};

static json_t *bytes_of(const char *s, size_t len)
{
	json_t *j = json_stringn(s, len);

	return j ? j : json_sprintf("%zu bytes that are not UTF-8", len);
}

static void note(SMFICTX *ctx, const char *event, json_t *args)
{
	json_t *o = json_object(), *macros = json_object();
	char *line;

	for (size_t i = 0; ctx && i < sizeof(macro_names) / sizeof(macro_names[0]); i++) {
		char *value = smfi_getsymval(ctx, (char *) (uintptr_t) macro_names[i]);

		if (value)
			(void) json_object_set_new(macros, macro_names[i], json_string(value));
	}
	(void) json_object_set_new(o, "event", json_string(event));
	(void) json_object_set_new(o, "args", args ? args : json_array());
	(void) json_object_set_new(o, "macros", macros);
	line = json_dumps(o, JSON_COMPACT);
	(void) fprintf(log_file, "%s\n", line);
	(void) fflush(log_file);
	free(line);
	json_decref(o);
}

static json_t *list(char **argv)
{
	json_t *a = json_array();

	for (; argv && *argv; argv++)
		(void) json_array_append_new(a, bytes_of(*argv, strlen(*argv)));
	return a;
}

static void note_result(const struct rule *r, int result)
{
	note(NULL, "did", json_pack("[s,s,i]", r->stage, r->action, result));
}

/* ---- actions ---- */

static int set_mlreply(SMFICTX *ctx, const struct rule *r)
{
	char *l[MULTI_MAX] = { NULL };

	for (int i = 0; i < MULTI_MAX && i + 2 < r->n; i++)
		l[i] = r->args[i + 2];
	return smfi_setmlreply(ctx, r->args[0], *arg(r, 1) ? r->args[1] : NULL, l[0], l[1], l[2], l[3], NULL);
}

static int replace_body(SMFICTX *ctx, const struct rule *r)
{
	size_t repeat = r->n > 1 ? strtoul(r->args[1], NULL, 10) : 1, len = strlen(r->args[0]);
	int result = MI_SUCCESS;

	for (size_t i = 0; i < repeat && result == MI_SUCCESS; i++)
		result = smfi_replacebody(ctx, (unsigned char *) r->args[0], (int) len);
	return smfi_replacebody(ctx, (unsigned char *) (uintptr_t) "\r\n", 2) | result;
}

static int change(SMFICTX *ctx, const struct rule *r, bool *ret_known)
{
	char *v1 = text(r, 1), *v2 = text(r, 2);
	const char *a = r->action;
	int result = MI_FAILURE;

	*ret_known = true;
	if (strcmp(a, "addheader") == 0)
		result = smfi_addheader(ctx, r->args[0], v1);
	else if (strcmp(a, "insheader") == 0)
		result = smfi_insheader(ctx, atoi(r->args[0]), r->args[1], v2);
	else if (strcmp(a, "chgheader") == 0)
		result = smfi_chgheader(ctx, r->args[1], atoi(r->args[0]), *v2 ? v2 : NULL);
	else if (strcmp(a, "addrcpt") == 0)
		result = smfi_addrcpt(ctx, r->args[0]);
	else if (strcmp(a, "addrcpt_par") == 0)
		result = smfi_addrcpt_par(ctx, r->args[0], r->n > 1 ? r->args[1] : NULL);
	else if (strcmp(a, "delrcpt") == 0)
		result = smfi_delrcpt(ctx, r->args[0]);
	else if (strcmp(a, "chgfrom") == 0)
		result = smfi_chgfrom(ctx, r->args[0], r->n > 1 ? r->args[1] : NULL);
	else if (strcmp(a, "replacebody") == 0)
		result = replace_body(ctx, r);
	else if (strcmp(a, "quarantine") == 0)
		result = smfi_quarantine(ctx, r->args[0]);
	else if (strcmp(a, "progress") == 0)
		result = smfi_progress(ctx);
	else if (strcmp(a, "setreply") == 0)
		result = smfi_setreply(ctx, r->args[0], *arg(r, 1) ? r->args[1] : NULL,
		                       *arg(r, 2) ? r->args[2] : NULL);
	else if (strcmp(a, "setmlreply") == 0)
		result = set_mlreply(ctx, r);
	else
		*ret_known = false;
	free(v1);
	free(v2);
	return result;
}

static const struct {
	const char *name;
	sfsistat status;
} statuses[] = { { "continue", SMFIS_CONTINUE }, { "reject", SMFIS_REJECT },     { "discard", SMFIS_DISCARD },
	         { "accept", SMFIS_ACCEPT },     { "tempfail", SMFIS_TEMPFAIL }, { "skip", SMFIS_SKIP },
	         { "noreply", SMFIS_NOREPLY } };

static sfsistat obey(SMFICTX *ctx, const char *stage, const char *key)
{
	sfsistat status = SMFIS_CONTINUE;

	for (int i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		bool known;
		int result;

		if (strcmp(r->stage, stage) != 0 || (strcmp(r->key, "*") != 0 && strcmp(r->key, key) != 0))
			continue;
		result = change(ctx, r, &known);
		if (known)
			note_result(r, result);
		if (strcmp(r->action, "sleep") == 0)
			(void) usleep((useconds_t) atoi(r->args[0]) * 1000);
		if (strcmp(r->action, "die") == 0)
			_exit(7);
		for (size_t k = 0; k < sizeof(statuses) / sizeof(statuses[0]); k++)
			if (strcmp(r->action, statuses[k].name) == 0)
				status = statuses[k].status;
	}
	return status;
}

static const char *key_of(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	return s ? s->key : "";
}

/* ---- callbacks ---- */

static int stage_number(const char *name)
{
	static const char *const names[] = { "connect", "helo", "mail", "rcpt", "data", "end", "eoh" };

	for (int i = 0; i < 7; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return 0;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1, unsigned long *pf2,
                             unsigned long *pf3)
{
	*pf0 = f0;
	*pf1 = 0;
	*pf2 = *pf3 = 0;
	for (int i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];

		if (strcmp(r->stage, "negotiate") != 0)
			continue;
		if (strcmp(r->action, "actions") == 0)
			*pf0 = strtoul(r->args[0], NULL, 0);
		if (strcmp(r->action, "steps") == 0)
			*pf1 = strtoul(r->args[0], NULL, 0) & f1;
		if (strcmp(r->action, "macros") == 0)
			note_result(r, smfi_setsymlist(ctx, stage_number(r->args[0]), r->args[1]));
	}
	note(NULL, "negotiate", json_pack("[I,I]", (json_int_t) f0, (json_int_t) f1));
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *sa)
{
	char address[INET6_ADDRSTRLEN] = "";
	int port = 0;

	(void) smfi_setpriv(ctx, calloc(1, sizeof(struct session)));
	if (sa && sa->sa_family == AF_INET) {
		(void) inet_ntop(AF_INET, &((struct sockaddr_in *) (void *) sa)->sin_addr, address,
		                 sizeof(address));
		port = ntohs(((struct sockaddr_in *) (void *) sa)->sin_port);
	} else if (sa && sa->sa_family == AF_INET6) {
		(void) inet_ntop(AF_INET6, &((struct sockaddr_in6 *) (void *) sa)->sin6_addr, address,
		                 sizeof(address));
		port = ntohs(((struct sockaddr_in6 *) (void *) sa)->sin6_port);
	}
	note(ctx, "connect", json_pack("[s,s,i]", name, address, port));
	return obey(ctx, "connect", "");
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	note(ctx, "helo", json_pack("[s]", name));
	return obey(ctx, "helo", name);
}

static sfsistat on_mail(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (!s)
		return SMFIS_TEMPFAIL;
	(void) snprintf(s->key, sizeof(s->key), "%s", argv[0] + 1);
	s->key[strcspn(s->key, "@>")] = '\0';
	note(ctx, "mail", list(argv));
	return obey(ctx, "mail", s->key);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argv)
{
	note(ctx, "rcpt", list(argv));
	return obey(ctx, "rcpt", key_of(ctx));
}

static sfsistat on_data(SMFICTX *ctx)
{
	note(ctx, "data", NULL);
	return obey(ctx, "data", key_of(ctx));
}

static sfsistat on_unknown(SMFICTX *ctx, const char *command)
{
	note(ctx, "unknown", json_pack("[s]", command));
	return obey(ctx, "unknown", key_of(ctx));
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	json_t *a = json_array();

	(void) json_array_append_new(a, bytes_of(name, strlen(name)));
	(void) json_array_append_new(a, bytes_of(value, strlen(value)));
	note(ctx, "header", a);
	return obey(ctx, "header", key_of(ctx));
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	note(ctx, "eoh", NULL);
	return obey(ctx, "eoh", key_of(ctx));
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *bytes, size_t len)
{
	json_t *a = json_array();

	(void) json_array_append_new(a, json_integer((json_int_t) len));
	(void) json_array_append_new(a, bytes_of((const char *) bytes, len < 4096 ? len : 4096));
	note(ctx, "body", a);
	return obey(ctx, "body", key_of(ctx));
}

static sfsistat on_end(SMFICTX *ctx)
{
	note(ctx, "end", NULL);
	return obey(ctx, "end", key_of(ctx));
}

static sfsistat on_abort(SMFICTX *ctx)
{
	note(ctx, "abort", NULL);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	note(NULL, "close", NULL);
	free(smfi_getpriv(ctx));
	(void) smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

static struct smfiDesc description = {
	.xxfi_name = (char *) (uintptr_t) "scripted",
	.xxfi_version = SMFI_VERSION,
	.xxfi_flags = SMFI_CURR_ACTS,
	.xxfi_connect = on_connect,
	.xxfi_helo = on_helo,
	.xxfi_envfrom = on_mail,
	.xxfi_envrcpt = on_rcpt,
	.xxfi_header = on_header,
	.xxfi_eoh = on_eoh,
	.xxfi_body = on_body,
	.xxfi_eom = on_end,
	.xxfi_abort = on_abort,
	.xxfi_close = on_close,
	.xxfi_unknown = on_unknown,
	.xxfi_data = on_data,
	.xxfi_negotiate = on_negotiate,
};

int main(int argc, char **argv)
{
	if (argc != 4) {
		(void) fprintf(stderr, "usage: scripted_milter SOCKET SCRIPT LOG\n");
		return 2;
	}
	(void) signal(SIGPIPE, SIG_IGN);
	read_script(argv[2]);
	log_file = fopen(argv[3], "a");
	if (!log_file || smfi_register(description) == MI_FAILURE || smfi_setconn(argv[1]) == MI_FAILURE ||
	    smfi_opensocket(true) == MI_FAILURE) {
		(void) fprintf(stderr, "scripted_milter: cannot serve %s\n", argv[1]);
		return 1;
	}
	note(NULL, "ready", NULL);
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
