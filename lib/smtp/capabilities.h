/* What a server says in its reply to EHLO (RFC 5321 4.1.1.1). Pure. */
#ifndef POD_SMTP_CAPABILITIES_H
#define POD_SMTP_CAPABILITIES_H

#include "base/span.h"

#define SMTP_CAP_PIPELINING     0x0001u /* RFC 2920 */
#define SMTP_CAP_CHUNKING       0x0002u /* RFC 3030 */
#define SMTP_CAP_8BITMIME       0x0004u /* RFC 6152 */
#define SMTP_CAP_SMTPUTF8       0x0008u /* RFC 6531 */
#define SMTP_CAP_DSN            0x0010u /* RFC 3461 */
#define SMTP_CAP_STARTTLS       0x0020u /* RFC 3207 */
#define SMTP_CAP_ENHANCED_CODES 0x0040u /* RFC 2034 */
#define SMTP_CAP_SIZE           0x0080u /* RFC 1870 */
#define SMTP_CAP_REQUIRETLS     0x0100u /* RFC 8689 */
#define SMTP_CAP_MT_PRIORITY    0x0200u /* RFC 6710 */
#define SMTP_CAP_DELIVERBY      0x0400u /* RFC 2852 */
#define SMTP_CAP_AUTH           0x0800u /* RFC 4954 */
#define SMTP_CAP_LIMITS         0x1000u /* RFC 9422 */

#define SMTP_AUTH_NAMES_MAX 256

struct smtp_capabilities {
	unsigned int flags; /* SMTP_CAP_* */
	uint64_t size_max;  /* 0: not said */
	uint64_t by_min_s;  /* the least DELIVERBY takes; 0: not said */
	uint32_t mails_max,
		rcpts_max; /* LIMITS MAILMAX, RCPTMAX; 0: not said. A transaction of ours is of one domain */
	char auth[SMTP_AUTH_NAMES_MAX]; /* mechanisms, a space between them; those that do not fit are left
	                                   out */
};

/* text: the words of the reply, LF between lines; the first line is the greeting, and no keyword. */
void smtp_capabilities_parse(struct span text, struct smtp_capabilities *ret_caps);

#endif
