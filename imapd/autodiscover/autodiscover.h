/*
 * How clients find their settings from an address: Exchange's autodiscover as plain XML (MS-OXDSCLI for
 * Outlook, MS-ASCMD 2.2.1.1 for phones) and as JSON, Thunderbird's config-v1.1.xml, Apple's configuration
 * profile. Reading and writing of these, and nothing else: pure but for the profile's signature.
 */
#ifndef POD_IMAPD_AUTODISCOVER_H
#define POD_IMAPD_AUTODISCOVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* Where the services are, as clients are told. A port of 0: there is none. */
struct autodiscover_place {
	const char *host;       /* for IMAP and SMTP */
	const char *https_host; /* with a port where it is not 443: "mail.example.org:8443" */
	unsigned int imap, imaps, submission, submissions;
};

/* Whose settings they are. */
struct autodiscover_user {
	struct span address, display_name; /* display_name: the address where it is empty */
};

/* ---- POX ---- */

enum autodiscover_schema {
	AUTODISCOVER_MOBILESYNC, /* phones */
	AUTODISCOVER_OUTLOOK,
	AUTODISCOVER_UNKNOWN, /* a provider that we are not: error 601 */
};

struct autodiscover_request {
	struct span address; /* EMailAddress; empty where an Outlook says its LegacyDN instead */
	enum autodiscover_schema schema;
};

#define AUTODISCOVER_BODY_MAX (64u << 10)

/*
 * Reads a request. -POD_E_SYNTAX: no XML, none of this kind, or one with a document type (nothing outside is
 * read, no entity is expanded); -POD_E_LIMIT: too large; -POD_E_NOMEM. What is returned is in a.
 */
int autodiscover_parse(struct arena *a, struct span body, struct autodiscover_request *ret, struct err *err);

/* The settings, of the schema that was asked for (not UNKNOWN). */
void autodiscover_settings(struct buf *out, enum autodiscover_schema schema,
                           const struct autodiscover_place *place, const struct autodiscover_user *user);
/* For phones: the address is none that settings are known for (Status 2 of MS-ASCMD 2.2.3.177.1). */
void autodiscover_no_user(struct buf *out, struct span address);
/* Error 600 "Invalid Request", 601 "Provider is not available" (MS-OXDSCLI 2.2.4.1.1.3). now_ms: wall clock.
 */
void autodiscover_error(struct buf *out, unsigned int code, int64_t now_ms);

/* ---- JSON, version 2 ---- */

/*
 * Answers a question after a protocol ("ActiveSync", "AutodiscoverV1", case ignored) without looking at the
 * address: nobody learns here who exists. The HTTP status: 200, or 400 with an error in out.
 */
unsigned int autodiscover_json(struct buf *out, struct span protocol, const struct autodiscover_place *place);

/* ---- Thunderbird and its kin ---- */

void autodiscover_thunderbird(struct buf *out, struct span domain, const struct autodiscover_place *place);

/* ---- Apple ---- */

/*
 * A profile with IMAP and SMTP settings, or with ActiveSync where phone is true. Its identifiers are made
 * from the address, so that a second one replaces the first. Passwords are asked for by the device.
 */
void autodiscover_apple(struct buf *out, const struct autodiscover_place *place,
                        const struct autodiscover_user *user, bool phone);

#endif
