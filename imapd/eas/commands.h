/* The commands that there are, in one table. What is no row here is answered with 501 and not announced. */
#ifndef POD_IMAPD_EAS_COMMANDS_H
#define POD_IMAPD_EAS_COMMANDS_H

#include "imapd/eas/eas.h"

#define EAS_NEEDS_POLICY 1u /* the device must have taken its policies (MS-ASPROV 3.1.5.1) */
#define EAS_MAY_WAIT     2u /* may park: changes are watched from its begin on */
#define EAS_TAKES_EMPTY  4u /* an empty body means something */
#define EAS_TAKES_RFC822 8u /* message/rfc822 below 14.0 */

struct eas_command {
	unsigned int code; /* of the base64 query (MS-ASHTTP 2.2.1.1.1.1.2) */
	const char *name;
	unsigned int since, until; /* enum eas_version */
	unsigned int flags;
	enum wbxml_tag root; /* of its request and of an answer that is only a status; 0: it has no WBXML */
	void (*run)(struct eas_request *rq);
};

/* NULL: none. */
const struct eas_command *eas_command_by_name(struct span name);
const struct eas_command *eas_command_by_code(unsigned int code);
/* "Sync,SendMail,...", for OPTIONS. */
void eas_commands_list(struct buf *out);

#endif
