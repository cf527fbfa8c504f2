#include "smtp/sasl.h"

#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* By strength; what stands first is taken. */
static const struct {
	const char *name;
	bool cleartext;
} mechanisms[] = { { "SCRAM-SHA-256", false }, { "PLAIN", true }, { "LOGIN", true } };

struct smtp_sasl {
	sasl_conn_t *conn;
	const char *login;
	sasl_secret_t *secret;
	sasl_callback_t callbacks[4];
	const char *first;
	unsigned int first_len;
	bool done;
};

static int get_name(void *context, int id, const char **result, unsigned int *len)
{
	const struct smtp_sasl *s = context;

	*result = s->login;
	if (len)
		*len = (unsigned int) strlen(s->login);
	return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret)
{
	const struct smtp_sasl *s = context;

	*ret = s->secret;
	return SASL_OK;
}

static int log_nothing(void *context, int level, const char *message)
{
	return SASL_OK;
}

/* Of the plug-ins only those that carry our mechanisms. */
static int verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const wanted[] = { "libplain.so", "liblogin.so", "libscram.so" };

	for (size_t i = 0; type == SASL_VRFY_PLUGIN && i < ARRAY_SIZE(wanted); i++)
		if (strstr(file, wanted[i]))
			return SASL_OK;
	return SASL_CONTINUE;
}

/* Through the type that any function may be cast to. */
#define CALLBACK(id_, f, context_)                                    \
	{                                                             \
		(id_), (int (*)(void))(void (*)(void))(f), (context_) \
	}

static int library_init(struct err *err)
{
	static const sasl_callback_t callbacks[] = { CALLBACK(SASL_CB_LOG, log_nothing, NULL),
		                                     CALLBACK(SASL_CB_VERIFYFILE, verify_file, NULL),
		                                     { SASL_CB_LIST_END, NULL, NULL } };
	static bool ready;

	if (ready)
		return 0;
	if (sasl_client_init(callbacks) != SASL_OK)
		return err_set(err, POD_E_INTERNAL, "libsasl2 does not start");
	ready = true;
	return 0;
}

static bool is_offered(const char *offered, const char *name)
{
	struct span rest = span_of(offered);

	while (rest.p)
		if (span_eq_nocase(span_split(rest, ' ', &rest), span_of(name)))
			return true;
	return false;
}

static const char *choose(const char *offered, bool cleartext)
{
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if ((cleartext || !mechanisms[i].cleartext) && is_offered(offered, mechanisms[i].name))
			return mechanisms[i].name;
	return NULL;
}

static struct smtp_sasl *exchange_new(const char *login, const char *password)
{
	struct smtp_sasl *s = calloc(1, sizeof(*s));
	size_t len = strlen(password);

	if (!s)
		return NULL;
	s->secret = calloc(1, sizeof(*s->secret) + len + 1);
	if (!s->secret)
		return smtp_sasl_free(s);
	s->login = login;
	s->secret->len = len;
	memcpy(s->secret->data, password, len);
	s->callbacks[0] = (sasl_callback_t) CALLBACK(SASL_CB_AUTHNAME, get_name, s);
	s->callbacks[1] = (sasl_callback_t) CALLBACK(SASL_CB_PASS, get_secret, s);
	/* No authorization identity: we are who we log in as. */
	s->callbacks[2] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
	return s;
}

int smtp_sasl_start(const char *server, const char *login, const char *password, const char *offered,
                    bool cleartext, struct smtp_sasl **ret_sasl, const char **ret_mechanism, struct err *err)
{
	const char *name = choose(offered, cleartext), *started = NULL;
	struct smtp_sasl *s;
	int r = library_init(err);

	if (r < 0)
		return r;
	if (!name)
		return err_set(err, POD_E_UNSUPPORTED, "no way to log in that both sides know%s",
		               cleartext ? "" : " and that is safe without TLS");
	s = exchange_new(login, password);
	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for a login");
	r = sasl_client_new("smtp", server, NULL, NULL, s->callbacks, 0, &s->conn);
	if (r == SASL_OK)
		r = sasl_client_start(s->conn, name, NULL, &s->first, &s->first_len, &started);
	if (r != SASL_OK && r != SASL_CONTINUE) {
		(void) err_set(err, POD_E_INTERNAL, "%s: %s", name, sasl_errstring(r, NULL, NULL));
		(void) smtp_sasl_free(s);
		return -POD_E_INTERNAL;
	}
	s->done = r == SASL_OK;
	*ret_sasl = s;
	*ret_mechanism = name;
	return 0;
}

struct span smtp_sasl_first(const struct smtp_sasl *s)
{
	return s->first ? span_make(s->first, s->first_len) : SPAN_NONE;
}

int smtp_sasl_step(struct smtp_sasl *s, struct span challenge, struct span *ret_answer, struct err *err)
{
	const char *answer = NULL;
	unsigned int len = 0;
	int r = sasl_client_step(s->conn, (const char *) challenge.p, (unsigned int) challenge.len, NULL,
	                         &answer, &len);

	if (r != SASL_OK && r != SASL_CONTINUE)
		return err_set(err, POD_E_AUTH, "%s", sasl_errdetail(s->conn));
	s->done = r == SASL_OK;
	*ret_answer = span_make(answer ? answer : "", len);
	return 0;
}

bool smtp_sasl_is_done(const struct smtp_sasl *s)
{
	return s->done;
}

struct smtp_sasl *smtp_sasl_free(struct smtp_sasl *s)
{
	if (!s)
		return NULL;
	if (s->conn)
		sasl_dispose(&s->conn);
	if (s->secret)
		explicit_bzero(s->secret->data, s->secret->len);
	free(s->secret);
	free(s);
	return NULL;
}
