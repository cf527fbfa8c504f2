/*
 * Answers to mail while its user is away (RFC 3834): what is kept of them in the states of the user's
 * account, and what follows from it. Front ends set it (STATE_PUT), the store reads it at each delivery.
 * Pure, thread-safe.
 */
#ifndef POD_STOREPROTO_OOF_H
#define POD_STOREPROTO_OOF_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "storeproto/podstore.pb-c.h"

/* States (names of STATE_GET and its kin): a packed Podstore__Oof, and who was answered, which is the
 * store's. */
#define OOF_STATE          "oof/settings"
#define OOF_ANSWERED_STATE "oof/answered"

#define OOF_TEXT_MAX (64u << 10) /* bytes of an answer */

enum oof_when { OOF_OFF, OOF_ON, OOF_TIMED };

/* Who is answered; the order is that of ActiveSync's Settings command. */
enum oof_audience {
	OOF_INTERNAL,       /* users of the same domain, who logged in to send */
	OOF_EXTERNAL_KNOWN, /* others to whom the user has written */
	OOF_EXTERNAL,       /* all others */
	OOF_AUDIENCES
};

/* The audience's field, NULL where nothing was ever set for it. */
const Podstore__OofText *oof_text(const Podstore__Oof *o, enum oof_audience who);
/* Whether answers go out at that time. */
bool oof_is_on(const Podstore__Oof *o, int64_t now_s);
/* -POD_E_SYNTAX with words for who set it: a time that does not begin before it ends; -POD_E_LIMIT. */
int oof_check(const Podstore__Oof *o, struct err *err);

/* The value of the state and back, in the arena. value empty: nothing was set, which is off. -POD_E_CORRUPT,
 * -POD_E_NOMEM. */
int oof_unpack(struct arena *a, struct span value, Podstore__Oof **ret, struct err *err);
int oof_pack(struct arena *a, const Podstore__Oof *o, struct span *ret_value);

/* protobuf-c's allocator over an arena, for messages that are never freed. */
ProtobufCAllocator oof_allocator(struct arena *a);

#endif
