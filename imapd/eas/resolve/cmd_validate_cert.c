#include "base/base64.h"
#include "base/cleanup.h"
#include "imapd/eas/resolve/resolve.h"
#include "net/tls_cert.h"

/* MS-ASCMD 2.2.3.177.18. */
enum { STATUS_OK = 1, STATUS_PROTOCOL = 2 };

#define CERTIFICATES_MAX 64

static unsigned int status_of(enum tls_cert_verdict verdict)
{
	switch (verdict) {
	case TLS_CERT_GOOD: return STATUS_OK;
	case TLS_CERT_MALFORMED: return 10;
	case TLS_CERT_BAD_SIGNATURE: return 3;
	case TLS_CERT_UNTRUSTED: return 4;
	case TLS_CERT_NO_CHAIN: return 5;
	case TLS_CERT_WRONG_PURPOSE: return 6;
	case TLS_CERT_EXPIRED: return 7;
	case TLS_CERT_REVOKED: return 13;
	case TLS_CERT_UNKNOWN: return 16;
	}
	return 17;
}

/* The certificates below an element, out of base64. -POD_E_LIMIT: too many. What is no base64 is left empty.
 */
static int read_all(struct eas_request *rq, const struct wbxml_node *parent, struct span *ret, size_t *ret_n)
{
	*ret_n = 0;
	for (const struct wbxml_node *n = wbxml_child(parent, VALIDATECERT_CERTIFICATE); n;
	     n = wbxml_again(n)) {
		if (*ret_n == CERTIFICATES_MAX)
			return -POD_E_LIMIT;
		if (base64_decode(rq->a, n->text, &ret[*ret_n]) < 0)
			ret[*ret_n] = SPAN_NONE;
		++*ret_n;
	}
	return 0;
}

/*
 * Revocation lists are not fetched: they would be asked for at addresses that the certificate itself names.
 * Who wants them asked is told that nothing is known, not that all is well.
 */
static enum tls_cert_verdict judge(struct span certificate, const struct span *chain, size_t n,
                                   bool check_crl)
{
	enum tls_cert_verdict verdict = tls_cert_judge_mail(certificate, chain, n);

	return verdict == TLS_CERT_GOOD && check_crl ? TLS_CERT_UNKNOWN : verdict;
}

void eas_cmd_validate_cert(struct eas_request *rq)
{
	struct span certificates[CERTIFICATES_MAX], chain[CERTIFICATES_MAX];
	size_t n, chain_n;
	bool check_crl;

	if (read_all(rq, wbxml_child(rq->body, VALIDATECERT_CERTIFICATES), certificates, &n) < 0 || n == 0 ||
	    read_all(rq, wbxml_child(rq->body, VALIDATECERT_CERTIFICATECHAIN), chain, &chain_n) < 0 ||
	    wbxml_child_bool(rq->body, VALIDATECERT_CHECKCRL, false, &check_crl) < 0) {
		eas_answer_status(rq, VALIDATECERT_VALIDATECERT, STATUS_PROTOCOL);
		return;
	}
	wbxml_open(&rq->out, VALIDATECERT_VALIDATECERT);
	wbxml_uint(&rq->out, VALIDATECERT_STATUS, STATUS_OK);
	for (size_t i = 0; i < n; i++) {
		wbxml_open(&rq->out, VALIDATECERT_CERTIFICATE);
		wbxml_uint(&rq->out, VALIDATECERT_STATUS,
		           status_of(judge(certificates[i], chain, chain_n, check_crl)));
		wbxml_close(&rq->out);
	}
	wbxml_close(&rq->out);
}
