/* What ActiveSync shows of a message's header, out of the fields that the index has (mime_summary.headers).
 * Pure. */
#ifndef POD_IMAPD_EAS_ITEM_HEADERS_H
#define POD_IMAPD_EAS_ITEM_HEADERS_H

#include "base/arena.h"
#include "base/span.h"

#define EAS_ADDRESSES_MAX 32768 /* bytes of a list (MS-ASEMAIL 2.2.2.77) */

enum eas_importance { EAS_IMPORTANCE_LOW, EAS_IMPORTANCE_NORMAL, EAS_IMPORTANCE_HIGH };

/* Clean UTF-8; empty where there is none. */
struct eas_headers {
	struct span to, cc, bcc, from, reply_to;
	struct span sender;     /* where it is somebody else than From */
	struct span display_to; /* names of To, "A; B" */
	struct span subject, topic;
	enum eas_importance importance;
};

/* -POD_E_NOMEM. Results in a. */
int eas_headers_read(struct arena *a, struct span header, struct eas_headers *ret_headers);

/* Subject without the marks of answers and forwards (Re:, Fwd:, AW: ...). A part of subject. */
struct span eas_subject_topic(struct span subject);

/* Names, or addresses where there are none, of all fields of that name: "A; B". SPAN_NONE where memory is
 * out. */
struct span eas_display_names(struct arena *a, struct span header, struct span field);

/*
 * The conversation that a message belongs to: the message that began it, by References, In-Reply-To or its
 * own Message-ID; where there is none of these, all of one topic. Same bytes for all of its messages.
 */
#define EAS_CONVERSATION_ID_SIZE 16
int eas_conversation_id(struct arena *a, struct span header, uint8_t ret_id[EAS_CONVERSATION_ID_SIZE]);

/*
 * ConversationIndex (MS-ASEMAIL 2.2.2.18): five bytes for the beginning and five for each answer, so that a
 * message's begins with the one of what it answers. Of Thread-Index, or made out of the ids in References.
 */
int eas_conversation_index(struct arena *a, struct span header, struct span *ret_index);

#endif
