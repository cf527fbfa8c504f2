/*
 * The IMAP server's parser and core over a small store: the first byte says how the session begins and in
 * what pieces the rest, the client's bytes, comes in.
 */
#include "../support/imap_host.c"

#define PIECE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct imap_host *h;
	size_t piece;

	if (len < 2)
		return 0;
	log_setup("fuzz", 2, LOG_FORMAT_TEXT, LOGL_ERROR);
	h = imap_host_create(data[0] & 1 ? IMAP_HOST_TLS : IMAP_HOST_LOGGED_IN);
	piece = data[0] & 2 ? 1 + data[0] / 4 : PIECE_MAX;
	if (data[0] & 4)
		(void) imap_host_say(h, SPAN_LIT("x SELECT INBOX (CONDSTORE)\r\n"));
	for (size_t at = 1; at < len; at += piece) {
		(void) imap_host_say(h, span_head(span_make(data + at, len - at), piece));
		if (at / piece % 16 == 3)
			imap_host_deliver(h, "Subject: fuzz\r\n\r\nbody\r\n");
	}
	(void) imap_host_free(h);
	return 0;
}
