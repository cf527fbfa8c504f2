/*
 * libsasl2's server side, set up so that nothing of the host has a say: no configuration file, no password
 * database, and of the plug-ins only the three that carry our mechanisms. Credentials come from the account.
 */
#include "store/auth/auth_internal.h"

#include <pthread.h>
#include <sasl/saslplug.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define PLUGIN_NAME "podmail"
#define MECHANISMS "PLAIN LOGIN SCRAM-SHA-256"

static void *mutex_new(void)
{
	pthread_mutex_t *m = malloc(sizeof(*m));

	if (m)
		(void) pthread_mutex_init(m, NULL);
	return m;
}

static int mutex_lock(void *m)
{
	return pthread_mutex_lock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static int mutex_unlock(void *m)
{
	return pthread_mutex_unlock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static void mutex_free(void *m)
{
	(void) pthread_mutex_destroy(m);
	free(m);
}

/* ---- settings, in place of a file ---- */

static int get_option(void *context, const char *plugin, const char *option, const char **result, unsigned int *len)
{
	static const struct {
		const char *option, *value;
	} options[] = {
		{ "mech_list", MECHANISMS },
		{ "auxprop_plugin", PLUGIN_NAME },
		{ "pwcheck_method", "none" }, /* passwords are checked by our own call-back, and by nobody else */
		{ "auto_transition", "no" },
		{ "log_level", "0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].option, option) != 0)
			continue;
		*result = options[i].value;
		if (len)
			*len = (unsigned int) strlen(*result);
		return SASL_OK;
	}
	return SASL_FAIL;
}

static int verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	static const char *const wanted[] = { "libplain.so", "liblogin.so", "libscram.so" };

	if (type != SASL_VRFY_PLUGIN)
		return SASL_CONTINUE;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (strstr(file, wanted[i]))
			return SASL_OK;
	return SASL_CONTINUE; /* not loaded */
}

/* Outcomes are logged once, by the service, with who and from where. */
static int log_nothing(void *context, int level, const char *message)
{
	return SASL_OK;
}

/* ---- accounts ---- */

static int check_password(sasl_conn_t *conn, void *context, const char *user, const char *pass, unsigned int passlen,
                          struct propctx *propctx)
{
	return exchange_check_password(context, span_make(pass, passlen)) ? SASL_OK : SASL_BADAUTH;
}

/* The name is the address that the front end looked up, byte for byte, or it is not let through. */
static int canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned int inlen, unsigned int flags,
                      const char *realm, char *out, unsigned int out_max, unsigned int *out_len)
{
	const struct auth_exchange *x = context;

	if (!span_eq(span_make(in, inlen), x->start.address))
		return SASL_NOUSER;
	if (inlen >= out_max)
		return SASL_BUFOVER;
	memmove(out, in, inlen);
	out[inlen] = 0;
	*out_len = inlen;
	return SASL_OK;
}

/* Which exchange a connection of libsasl2's is: the context of one of its call-backs. */
static struct auth_exchange *exchange_of(const sasl_utils_t *utils)
{
	sasl_callback_ft proc;
	void *context = NULL;

	if (utils->getcallback(utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &proc, &context) != SASL_OK)
		return NULL;
	return context;
}

/* SCRAM asks for the keys of the account here ("*": of the authentication identity). */
static int lookup(void *glob_context, sasl_server_params_t *sparams, unsigned int flags, const char *user,
                  unsigned int ulen)
{
	struct auth_exchange *x = exchange_of(sparams->utils);
	const struct propval *p = sparams->utils->prop_get(sparams->propctx);

	for (; x && p && p->name; p++) {
		if (strcmp(p->name, "*authPassword") != 0 || p->values)
			continue;
		exchange_look_up(x);
		if (x->find_error < 0 || exchange_is_blocked(x))
			return SASL_FAIL;
		(void) sparams->utils->prop_set(sparams->propctx, p->name, x->account.scram, -1);
	}
	return SASL_OK;
}

static sasl_auxprop_plug_t plugin = {
	.auxprop_lookup = lookup,
	.name = (char *) (uintptr_t) PLUGIN_NAME,
};

static int plugin_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_auxprop_plug_t **plug,
                       const char *name)
{
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &plugin;
	return SASL_OK;
}

/* ---- set-up ---- */

#define CALLBACK(f) ((sasl_callback_ft) (void (*)(void)) (f))

static const sasl_callback_t global_callbacks[] = {
	{ SASL_CB_GETOPT, CALLBACK(get_option), NULL },
	{ SASL_CB_VERIFYFILE, CALLBACK(verify_file), NULL },
	{ SASL_CB_LOG, CALLBACK(log_nothing), NULL },
	{ SASL_CB_LIST_END, NULL, NULL },
};

void sasl_exchange_callbacks(struct auth_exchange *x)
{
	x->callbacks[0] = (sasl_callback_t){ SASL_CB_GETOPT, CALLBACK(get_option), NULL };
	x->callbacks[1] = (sasl_callback_t){ SASL_CB_LOG, CALLBACK(log_nothing), NULL };
	x->callbacks[2] = (sasl_callback_t){ SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(check_password), x };
	x->callbacks[3] = (sasl_callback_t){ SASL_CB_CANON_USER, CALLBACK(canon_user), x };
	x->callbacks[4] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
}

int sasl_setup(struct err *err)
{
	int r;

	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	r = sasl_auxprop_add_plugin(PLUGIN_NAME, plugin_init);
	/* No application name: with one, libsasl2 would look for /etc/sasl2/NAME.conf and its like. */
	if (r == SASL_OK)
		r = sasl_server_init(global_callbacks, NULL);
	if (r != SASL_OK)
		return err_set(err, POD_E_INTERNAL, "libsasl2: %s", sasl_errstring(r, NULL, NULL));
	return 0;
}

void sasl_teardown(void)
{
	(void) sasl_server_done();
}
