/*
 * A message on its way out for a device: composed, handed to the mta, copied to the Sent folder, and
 * remembered by its ClientId, so that one that is sent again after a lost answer goes out once
 * (MS-ASCMD 2.2.1.17 to 19).
 *
 * What makes it once: before the mta is given anything, the state "eas/DEVICE/sent" has the ClientId with the
 * id of the delivery, durably. Whatever dies after that, the repeated command uses the same id, by which the
 * volumes and the mta's queue know what they have; the Sent copy is known in the same way. Volumes know an id
 * for stored.delivery_memory, the queue as long as it has the message and for 15 minutes from when the id was
 * made: a device that asks again later than that, of one whose sending was not noted, may send to other
 * servers twice.
 */
#ifndef POD_IMAPD_EAS_SEND_SEND_H
#define POD_IMAPD_EAS_SEND_SEND_H

#include "imapd/eas/eas.h"
#include "imapd/eas/send/compose.h"

/* What MS-ASCMD 2.2.2 says of a message that does not go. */
enum send_status {
	SEND_OK = 1,
	SEND_INVALID_CONTENT = 101,
	SEND_INVALID_XML = 103,
	SEND_INVALID_DATE = 104,
	SEND_INVALID_IDS = 105,
	SEND_INVALID_MIME = 107,
	SEND_SERVER_ERROR = 110,
	SEND_RETRY_LATER = 111,
	SEND_QUOTA = 115,
	SEND_RCPT_UNRESOLVED = 116,
	SEND_NO_RCPT = 119,
	SEND_FAILED = 120,
	SEND_REPLY_FAILED = 121,
	SEND_TOO_LARGE = 122,
	SEND_NOT_FOUND = 150,
	SEND_ACCOUNT_ID = 166,
	SEND_DISABLED = 167,
};

#define SEND_CLIENT_ID_MAX 40

struct send_order {
	enum compose_kind kind;
	struct span mime;
	struct span client_id; /* empty: the client gave none */
	bool replace, save;    /* ReplaceMime, SaveInSentItems */
	struct span original;  /* of a reply or forward */
	size_t n_rcpts;        /* a result: to how many it went; 0: it had gone before */
};

/* Suspends. SEND_OK also where it was sent before under the same ClientId: nothing is done then. */
enum send_status eas_send(struct eas_request *rq, struct send_order *order);

void eas_cmd_send_mail(struct eas_request *rq);
void eas_cmd_smart_reply(struct eas_request *rq);
void eas_cmd_smart_forward(struct eas_request *rq);

#endif
