/* Section tls: whose certificate is shown to whom. */
#ifndef POD_CONF_TLS_H
#define POD_CONF_TLS_H

struct tls_conf {
	const char *cert, *key, *ca;
	const char *sni_dir;                  /* may be NULL */
	const char *client_cert, *client_key; /* may be NULL */
};

#endif
