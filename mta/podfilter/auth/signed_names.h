/*
 * Fields that readers see, or that say how the rest is read: what DKIM and ARC both sign where it is there,
 * as items of an array of strings. Those of all are also signed as not being there once more (RFC 6376 8.15).
 */
#ifndef PODFILTER_AUTH_SIGNED_NAMES_H
#define PODFILTER_AUTH_SIGNED_NAMES_H

/* clang-format off */
#define SIGNED_NAMES_OF_ALL \
	"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", \
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding"
#define SIGNED_NAMES_OF_PARTS "Content-Disposition", "Content-ID"
/* clang-format on */

#endif
