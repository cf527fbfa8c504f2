/* The steps of a session and its messages that a milter is told of. */
#ifndef POD_MTA_MILTER_STAGE_H
#define POD_MTA_MILTER_STAGE_H

#include <stdbool.h>
#include <stdint.h>

enum milter_stage {
	MILTER_CONNECT,
	MILTER_HELO,
	MILTER_MAIL,
	MILTER_RCPT,
	MILTER_DATA,
	MILTER_UNKNOWN, /* a command we do not know, either */
	MILTER_HEADER,
	MILTER_EOH,
	MILTER_BODY,
	MILTER_END, /* of the message: the one at which it may be changed */
	MILTER_STAGES
};

/* How a stage is said (mfdef.h), and what a milter may have declined about it. */
struct milter_stage_info {
	const char *name;    /* for logs: "rcpt" */
	uint8_t letter;      /* SMFIC_* */
	uint32_t unwanted;   /* SMFIP_NO*: the milter does not want it */
	uint32_t unanswered; /* SMFIP_NR_*: it does not answer it */
	unsigned int since;  /* protocol version that has it */
	int symbols;         /* SMFIM_*: its list of macros; -1: none of its own */
	const char *macros;  /* the list where the milter names none */
};

extern const struct milter_stage_info milter_stages[MILTER_STAGES];

#endif
