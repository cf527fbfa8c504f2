/* What the files of store/auth share. */
#ifndef POD_STORE_AUTH_AUTH_INTERNAL_H
#define POD_STORE_AUTH_AUTH_INTERNAL_H

#include <sasl/sasl.h>

#include "store/auth/auth.h"
#include "store/auth/penalty.h"
#include "store/auth/remember.h"

#define AUTH_KEY_SIZE 32

struct auth {
	struct auth_options o;
	uint8_t secret[AUTH_KEY_SIZE]; /* of tokens; derived from the volume's */
	uint8_t decoy[AUTH_KEY_SIZE]; /* makes the salts of users that do not exist */
	char *decoy_hash; /* what their passwords are hashed against */
	struct remember *remember;
	struct penalties *penalties;
};

struct auth_exchange {
	struct auth *auth;
	struct arena *a;
	struct auth_start start;
	sasl_conn_t *conn;
	bool started;
	/* what the callbacks found */
	bool known; /* the account is there */
	bool looked_up;
	bool blocked; /* too many wrong passwords: not even looked at */
	int find_error; /* the account could not be read */
	struct auth_account account;
	sasl_channel_binding_t binding;
	sasl_callback_t callbacks[8];
};

/* password.c: the text of SCRAM keys (32 bytes each). */
int scram_format(struct arena *a, struct span salt, unsigned int iterations, const uint8_t stored[32],
                 const uint8_t server[32], const char **ret_scram);

/* exchange.c, for sasl.c: reads the account once; one that is missing gets a decoy's credentials. */
void exchange_look_up(struct auth_exchange *x);
/* Too many wrong passwords of late: the exchange is to fail whatever it says. */
bool exchange_is_blocked(struct auth_exchange *x);
/* PLAIN and LOGIN. */
bool exchange_check_password(struct auth_exchange *x, struct span password);

/* sasl.c: libsasl2's set-up, and the callbacks of one exchange. */
int sasl_setup(struct err *err);
void sasl_teardown(void);
void sasl_exchange_callbacks(struct auth_exchange *x);

#endif
