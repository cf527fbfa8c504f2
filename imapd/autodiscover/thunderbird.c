/* config-v1.1.xml (the Autoconfig format that Thunderbird, Evolution, KMail and others read). */
#include "base/xml.h"
#include "imapd/autodiscover/autodiscover.h"

static void server(struct buf *out, const char *element, const char *type, const char *host,
                   unsigned int port, const char *socket_type)
{
	if (!port)
		return;
	buf_printf(out, "<%s type=\"%s\">\n", element, type);
	xml_element(out, "hostname", span_of(host));
	buf_printf(out,
	           "<port>%u</port>\n<socketType>%s</socketType>\n<username>%%EMAILADDRESS%%</username>\n"
	           "<authentication>password-cleartext</authentication>\n",
	           port, socket_type);
	xml_end(out, element);
}

void autodiscover_thunderbird(struct buf *out, struct span domain, const struct autodiscover_place *place)
{
	buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig "
	                 "version=\"1.1\">\n<emailProvider id=\"");
	xml_text(out, domain);
	buf_add_str(out, "\">\n");
	xml_element(out, "domain", domain);
	xml_element(out, "displayName", domain);
	xml_element(out, "displayShortName", domain);
	server(out, "incomingServer", "imap", place->host, place->imaps, "SSL");
	server(out, "incomingServer", "imap", place->host, place->imap, "STARTTLS");
	server(out, "outgoingServer", "smtp", place->host, place->submissions, "SSL");
	server(out, "outgoingServer", "smtp", place->host, place->submission, "STARTTLS");
	buf_add_str(out, "</emailProvider>\n</clientConfig>\n");
}
