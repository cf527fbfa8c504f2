#include "mta/milter/stage.h"

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

/*
 * The macros are those that Sendmail's default configuration and Postfix's give, put together: filters were
 * written against either.
 */
#define OF_CONNECT                                                                                         \
	"j _ v {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} {client_name} {client_addr} " \
	"{client_port} {client_ptr} {client_resolve}"
#define OF_HELO "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}"
#define OF_MAIL                                                                                    \
	"i j r s b {tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {auth_type} " \
	"{auth_authen} "                                                                           \
	"{auth_author} {mail_mailer} {mail_host} {mail_addr}"
#define OF_RCPT "i {rcpt_mailer} {rcpt_host} {rcpt_addr}"
#define OF_DATA "i {nrcpts} {nbadrcpts}"
#define OF_END  "i {msg_id} {nrcpts} {nbadrcpts}"

/* clang-format off */
const struct milter_stage_info milter_stages[MILTER_STAGES] = {
	[MILTER_CONNECT] = { "connect", SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN, 2, SMFIM_CONNECT, OF_CONNECT },
	[MILTER_HELO]    = { "helo",    SMFIC_HELO,    SMFIP_NOHELO,    SMFIP_NR_HELO, 2, SMFIM_HELO,    OF_HELO },
	[MILTER_MAIL]    = { "mail",    SMFIC_MAIL,    SMFIP_NOMAIL,    SMFIP_NR_MAIL, 2, SMFIM_ENVFROM, OF_MAIL },
	[MILTER_RCPT]    = { "rcpt",    SMFIC_RCPT,    SMFIP_NORCPT,    SMFIP_NR_RCPT, 2, SMFIM_ENVRCPT, OF_RCPT },
	[MILTER_DATA]    = { "data",    SMFIC_DATA,    SMFIP_NODATA,    SMFIP_NR_DATA, 4, SMFIM_DATA,    OF_DATA },
	[MILTER_UNKNOWN] = { "unknown", SMFIC_UNKNOWN, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, 3, -1,            "" },
	[MILTER_HEADER]  = { "header",  SMFIC_HEADER,  SMFIP_NOHDRS,    SMFIP_NR_HDR,  2, -1,            "" },
	[MILTER_EOH]     = { "eoh",     SMFIC_EOH,     SMFIP_NOEOH,     SMFIP_NR_EOH,  2, SMFIM_EOH,     "i" },
	[MILTER_BODY]    = { "body",    SMFIC_BODY,    SMFIP_NOBODY,    SMFIP_NR_BODY, 2, -1,            "" },
	[MILTER_END]     = { "end",     SMFIC_BODYEOB, 0,               0,             2, SMFIM_EOM,     OF_END },
};
/* clang-format on */
