#include "conf/tls.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_PATH(tls_conf, cert, "tls/server.pem",
	        "The certificate shown to clients, its chain included (PEM)."),
	CONF_PATH(tls_conf, key, "tls/server.key", "Its private key."),
	CONF_PATH(tls_conf, ca, "tls/ca.pem",
	        "The CA that certificates between the hosts of the pod are checked with."),
	CONF_PATH(tls_conf, sni_dir, "",
	        "Folder of further certificates, NAME.pem and NAME.key, chosen by the name a client asks "
	        "for. Empty: none."),
	CONF_PATH(tls_conf, client_cert, "",
	        "The certificate that front ends show to stores on other hosts. Empty: they reach local "
	        "stores only."),
	CONF_PATH(tls_conf, client_key, "", "Its private key."),
};
/* clang-format on */

const struct conf_section conf_section_tls = {
	.name = "tls",
	.help = "Certificates. podd makes a private CA and a server certificate at first start where these "
		"files are missing.",
	.offset = offsetof(struct conf, tls),
	.items = items,
	.n = ARRAY_SIZE(items),
};
