/* Configuration profiles of iOS and macOS (Apple's "Configuration Profile Reference"). */
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/xml.h"
#include "imapd/autodiscover/autodiscover.h"

static void key(struct buf *out, const char *name, struct span text)
{
	xml_element(out, "key", span_of(name));
	xml_element(out, "string", text);
}

static void key_number(struct buf *out, const char *name, unsigned int n)
{
	xml_element(out, "key", span_of(name));
	buf_printf(out, "<integer>%u</integer>\n", n);
}

static void key_flag(struct buf *out, const char *name, bool on)
{
	xml_element(out, "key", span_of(name));
	buf_add_str(out, on ? "<true/>\n" : "<false/>\n");
}

/* A UUID (RFC 9562, version 8) that an address and a payload's type always lead to. */
static void key_uuid(struct buf *out, const char *type, struct span address)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(address.p, address.len, XXH3_64bits(type, strlen(type)));
	char text[37];

	(void) snprintf(text, sizeof(text), "%08X-%04X-8%03X-%04X-%012llX", (unsigned int) (h.high64 >> 32),
	                (unsigned int) (h.high64 >> 16 & 0xffff), (unsigned int) (h.high64 & 0xfff),
	                (unsigned int) (h.low64 >> 48 & 0x3fff) | 0x8000,
	                (unsigned long long) (h.low64 & 0xffffffffffff));
	key(out, "PayloadUUID", span_of(text));
}

/* What every payload says of itself. */
static void about(struct buf *out, const char *type, const char *title, const struct autodiscover_user *user)
{
	_cleanup_buf_ struct buf identifier = BUF_INIT;

	buf_printf(&identifier, "%s.%.*s", type, (int) user->address.len, (const char *) user->address.p);
	key(out, "PayloadType", span_of(type));
	key_number(out, "PayloadVersion", 1);
	key(out, "PayloadIdentifier", buf_span(&identifier));
	key_uuid(out, type, user->address);
	key(out, "PayloadDisplayName", span_of(title));
	out->failed = out->failed || identifier.failed;
}

static void server(struct buf *out, const char *direction, const char *host, unsigned int port, bool tls,
                   struct span login)
{
	char name[64];

	(void) snprintf(name, sizeof(name), "%sMailServerHostName", direction);
	key(out, name, span_of(host));
	(void) snprintf(name, sizeof(name), "%sMailServerPortNumber", direction);
	key_number(out, name, port);
	(void) snprintf(name, sizeof(name), "%sMailServerUseSSL", direction);
	key_flag(out, name, tls);
	(void) snprintf(name, sizeof(name), "%sMailServerUsername", direction);
	key(out, name, login);
	(void) snprintf(name, sizeof(name), "%sMailServerAuthentication", direction);
	key(out, name, SPAN_LIT("EmailAuthPassword"));
}

static void mail(struct buf *out, const struct autodiscover_place *place,
                 const struct autodiscover_user *user)
{
	about(out, "com.apple.mail.managed", "Mail", user);
	key(out, "EmailAccountType", SPAN_LIT("EmailTypeIMAP"));
	key(out, "EmailAccountDescription", user->address);
	if (user->display_name.len > 0)
		key(out, "EmailAccountName", user->display_name);
	key(out, "EmailAddress", user->address);
	/* UseSSL stands for TLS from the start and for STARTTLS: the device finds out. */
	server(out, "Incoming", place->host, place->imaps ? place->imaps : place->imap, true, user->address);
	server(out, "Outgoing", place->host, place->submissions ? place->submissions : place->submission,
	       true, user->address);
	key_flag(out, "OutgoingPasswordSameAsIncomingPassword", true);
}

static void phone_account(struct buf *out, const struct autodiscover_place *place,
                          const struct autodiscover_user *user)
{
	about(out, "com.apple.eas.account", "Exchange ActiveSync", user);
	key(out, "Host", span_of(place->https_host));
	key(out, "EmailAddress", user->address);
	key(out, "UserName", user->address);
	key_flag(out, "SSL", true);
	key_number(out, "MailNumberOfPastDaysToSync", 31);
}

void autodiscover_apple(struct buf *out, const struct autodiscover_place *place,
                        const struct autodiscover_user *user, bool phone)
{
	buf_add_str(out,
	            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	            "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	            "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n");
	about(out, "Configuration", "Mail account", user);
	key(out, "PayloadDescription", SPAN_LIT("Sets up a mail account."));
	key(out, "PayloadOrganization", span_of(place->host));
	xml_element(out, "key", SPAN_LIT("PayloadContent"));
	buf_add_str(out, "<array>\n<dict>\n");
	if (phone)
		phone_account(out, place, user);
	else
		mail(out, place, user);
	buf_add_str(out, "</dict>\n</array>\n</dict>\n</plist>\n");
}
