/* Answers as plain XML ("POX"). Their elements' order is that of the schemas: some clients insist. */
#include <inttypes.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/xml.h"
#include "imapd/autodiscover/autodiscover.h"

#define BEGIN                                          \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" \
	"<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
#define BEGIN_MOBILESYNC                                                                         \
	BEGIN "<Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/" \
	      "responseschema/2006\">\n"
#define BEGIN_OUTLOOK                                                                         \
	BEGIN "<Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/" \
	      "responseschema/2006a\">\n"
#define END "</Response>\n</Autodiscover>\n"

static struct span name_of(const struct autodiscover_user *user)
{
	return user->display_name.len > 0 ? user->display_name : user->address;
}

static void mobilesync(struct buf *out, const struct autodiscover_place *place,
                       const struct autodiscover_user *user)
{
	_cleanup_buf_ struct buf url = BUF_INIT;

	buf_printf(&url, "https://%s/Microsoft-Server-ActiveSync", place->https_host);
	buf_add_str(out, BEGIN_MOBILESYNC "<Culture>en:us</Culture>\n<User>\n");
	xml_element(out, "DisplayName", name_of(user));
	xml_element(out, "EMailAddress", user->address);
	buf_add_str(out, "</User>\n<Action>\n<Settings>\n<Server>\n<Type>MobileSync</Type>\n");
	xml_element(out, "Url", buf_span(&url));
	xml_element(out, "Name", buf_span(&url));
	buf_add_str(out, "</Server>\n</Settings>\n</Action>\n" END);
	out->failed = out->failed || url.failed;
}

/* Outlook's words: SSL says whether a connection begins with TLS, Encryption how in newer versions. */
static void protocol(struct buf *out, const char *type, const struct autodiscover_place *place,
                     unsigned int tls_port, unsigned int plain_port, const struct autodiscover_user *user)
{
	unsigned int port = tls_port ? tls_port : plain_port;

	if (!port)
		return;
	buf_add_str(out, "<Protocol>\n");
	xml_element(out, "Type", span_of(type));
	xml_element(out, "Server", span_of(place->host));
	buf_printf(out, "<Port>%u</Port>\n<DomainRequired>off</DomainRequired>\n", port);
	xml_element(out, "LoginName", user->address);
	buf_printf(out,
	           "<SPA>off</SPA>\n<SSL>%s</SSL>\n<Encryption>%s</Encryption>\n<AuthRequired>on</"
	           "AuthRequired>\n",
	           tls_port ? "on" : "off", tls_port ? "SSL" : "TLS");
	buf_add_str(out, "</Protocol>\n");
}

static void outlook(struct buf *out, const struct autodiscover_place *place,
                    const struct autodiscover_user *user)
{
	buf_add_str(out, BEGIN_OUTLOOK "<User>\n");
	xml_element(out, "DisplayName", name_of(user));
	buf_add_str(out, "</User>\n<Account>\n<AccountType>email</AccountType>\n<Action>settings</Action>\n");
	protocol(out, "IMAP", place, place->imaps, place->imap, user);
	protocol(out, "SMTP", place, place->submissions, place->submission, user);
	buf_add_str(out, "</Account>\n" END);
}

void autodiscover_settings(struct buf *out, enum autodiscover_schema schema,
                           const struct autodiscover_place *place, const struct autodiscover_user *user)
{
	if (schema == AUTODISCOVER_MOBILESYNC)
		mobilesync(out, place, user);
	else
		outlook(out, place, user);
}

void autodiscover_no_user(struct buf *out, struct span address)
{
	buf_add_str(out, BEGIN_MOBILESYNC "<Culture>en:us</Culture>\n<User>\n");
	xml_element(out, "EMailAddress", address);
	buf_add_str(out, "</User>\n<Action>\n<Error>\n<Status>2</Status>\n"
	                 "<Message>This is not the address of the user who asks.</Message>\n"
	                 "<DebugData>MailUser</DebugData>\n</Error>\n</Action>\n" END);
}

void autodiscover_error(struct buf *out, unsigned int code, int64_t now_ms)
{
	time_t now_s = (time_t) (now_ms / 1000);
	char time_text[16];
	struct tm tm;

	(void) strftime(time_text, sizeof(time_text), "%H:%M:%S", gmtime_r(&now_s, &tm));
	buf_printf(out, BEGIN "<Response>\n<Error Time=\"%s.%03d\" Id=\"%" PRIu32 "\">\n", time_text,
	           (int) (now_ms % 1000), (uint32_t) now_ms);
	buf_printf(out, "<ErrorCode>%u</ErrorCode>\n<Message>%s</Message>\n<DebugData />\n</Error>\n" END,
	           code, code == 600 ? "Invalid Request" : "Provider is not available");
}
