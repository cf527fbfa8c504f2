/*
 * The parts of a message, read out of the BODYSTRUCTURE that the index has (RFC 3501 7.4.2), so that a
 * message need not be opened to tell what is attached to it. A message inside the message is one part: what
 * is in it is its own. Pure; without recursion.
 */
#ifndef POD_IMAPD_EAS_ITEM_STRUCTURE_H
#define POD_IMAPD_EAS_ITEM_STRUCTURE_H

#include "base/arena.h"
#include "base/err.h"

#define EAS_NO_PART UINT32_MAX

enum eas_part_kind { EAS_PART_LEAF, EAS_PART_MULTIPART, EAS_PART_MESSAGE };

struct eas_part {
	enum eas_part_kind kind;
	struct span path;          /* "1.2" (RFC 3501 6.4.5); "" for a multipart that is the message itself */
	struct span type, subtype; /* in lower-case, as BODYSTRUCTURE has them */
	struct span params;        /* of the type, as in BODYSTRUCTURE; see eas_part_param */
	struct span content_id;    /* without < > */
	struct span description, location;
	struct span encoding, disposition; /* in lower-case; disposition is empty where there is none */
	struct span name;                  /* of the file, UTF-8; empty where there is none */
	struct span subject;               /* of a message inside, raw */
	uint64_t octets;                   /* as encoded */
	uint32_t parent;                   /* EAS_NO_PART for the first */
	uint32_t end;                      /* the first part that is not below this one */
};

struct eas_structure {
	struct eas_part *parts; /* in their order in the message; parents before their children */
	uint32_t n;
};

/* -POD_E_CORRUPT: it is no BODYSTRUCTURE; -POD_E_LIMIT: too many parts; -POD_E_NOMEM. Results point into
 * text. */
int eas_structure_read(struct arena *a, struct span text, struct eas_structure *ret_structure);

/* A parameter of the part's type, "charset"; SPAN_NONE where there is none. In a where it has to be unquoted.
 */
struct span eas_part_param(struct arena *a, const struct eas_part *part, const char *name);

bool eas_part_is(const struct eas_part *part, const char *type, const char *subtype);

/* What the part has when its transfer encoding is taken off; exact but for broken encodings. */
uint64_t eas_part_size(const struct eas_part *part);

#endif
