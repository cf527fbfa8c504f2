#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "http/internal.h"

/* ---- the body of the answer ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	size_t room = x->body.limit - x->body.len;

	(void) size; /* 1 */
	if (n <= room)
		buf_add(&x->body, span_make(bytes, n));
	else if (x->overlong == HTTP_OVERLONG_CUT)
		buf_add(&x->body, span_make(bytes, room));
	else
		return 0;
	return x->body.failed ? 0 : n;
}

/* ---- the request ---- */

static bool add_slist(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* "host:443:192.0.2.1,[2001:db8::1]", as CURLOPT_RESOLVE wants it. */
static bool add_addresses(struct exchange *x, const char *host, const char *port, const struct http_ask *ask)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_printf(&text, "%s:%s:", host, port);
	for (size_t i = 0; i < ask->addrs_n; i++) {
		char addr[NET_ADDR_TEXT_SIZE];
		bool v6 = ask->addrs[i].ss.ss_family == AF_INET6;

		buf_printf(&text, "%s%s%s%s", i ? "," : "", v6 ? "[" : "",
		           net_addr_host(&ask->addrs[i], addr, sizeof(addr)), v6 ? "]" : "");
	}
	return !text.failed && add_slist(&x->resolve, buf_str(&text)) &&
	       curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->resolve) == CURLE_OK;
}

/* The addresses are those of one host and port: the URL's, as libcurl itself reads it. */
static bool set_addresses(struct exchange *x, CURLU *url, const struct http_ask *ask)
{
	char *host = NULL, *port = NULL;
	bool fine = ask->addrs_n == 0;

	if (!fine && curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		fine = add_addresses(x, host, port, ask);
	curl_free(host);
	curl_free(port);
	return fine;
}

static int set_url(struct exchange *x, const struct http_ask *ask, struct err *err)
{
	CURLU *url = curl_url();
	int r = 0;

	if (!url)
		r = err_set(err, POD_E_NOMEM, "request over http");
	else if (curl_url_set(url, CURLUPART_URL, ask->url, 0) != CURLUE_OK)
		r = err_set(err, POD_E_SYNTAX, "%s: not a URL", ask->url);
	else if (!set_addresses(x, url, ask) || curl_easy_setopt(x->easy, CURLOPT_URL, ask->url) != CURLE_OK)
		r = err_set(err, POD_E_NOMEM, "request over http");
	curl_url_cleanup(url);
	return r;
}

static bool set_fields(struct exchange *x, const struct http_ask *ask)
{
	_cleanup_buf_ struct buf type = BUF_INIT;

	/* No "Expect: 100-continue": a server that does not know it would cost a second. */
	if (!add_slist(&x->fields, "Expect:"))
		return false;
	for (size_t i = 0; i < sizeof(ask->fields) / sizeof(ask->fields[0]) && ask->fields[i]; i++)
		if (!add_slist(&x->fields, ask->fields[i]))
			return false;
	if (ask->body_type) {
		buf_printf(&type, "Content-Type: %s", ask->body_type);
		if (type.failed || !add_slist(&x->fields, buf_str(&type)))
			return false;
	}
	return curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->fields) == CURLE_OK;
}

/* An empty body is sent as one where the method is of those that have one. */
static bool set_body(struct exchange *x, const struct http_ask *ask)
{
	const char *bytes = ask->body.p ? (const char *) ask->body.p : "";

	if (ask->body.p || (ask->method && strcmp(ask->method, "POST") == 0))
		if (curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, bytes) != CURLE_OK ||
		    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) ask->body.len) !=
		            CURLE_OK)
			return false;
	return !ask->method || curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, ask->method) == CURLE_OK;
}

static bool set_where(CURL *e, const struct http_ask *ask)
{
	return curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       /* A segment ".." is somebody's name for something, and leads nowhere else. */
	       curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (!ask->unix_socket ||
	        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, ask->unix_socket) == CURLE_OK) &&
	       (!ask->ca_file || (curl_easy_setopt(e, CURLOPT_CAINFO, ask->ca_file) == CURLE_OK &&
	                          curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK));
}

static bool set_rest(struct exchange *x, const struct http_ask *ask)
{
	CURL *e = x->easy;

	return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) ask->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "podmail") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, x) == CURLE_OK;
}

static void library_init(void)
{
	(void) curl_global_init(CURL_GLOBAL_DEFAULT); /* where it fails, no handle is had either */
}

void http_library_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void) pthread_once(&once, library_init);
}

int exchange_init(struct exchange *x, const struct http_ask *ask, struct err *err)
{
	int r;

	http_library_init();
	x->body.limit = ask->answer_max;
	x->overlong = ask->overlong;
	x->easy = curl_easy_init();
	if (!x->easy)
		return err_set(err, POD_E_NOMEM, "request over http");
	r = set_url(x, ask, err);
	if (r == 0 &&
	    (!set_fields(x, ask) || !set_body(x, ask) || !set_where(x->easy, ask) || !set_rest(x, ask)))
		r = err_set(err, POD_E_NOMEM, "request over http");
	return r;
}

void exchange_done(struct exchange *x)
{
	if (x->easy)
		curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->resolve);
	curl_slist_free_all(x->fields);
	buf_done(&x->body);
}

/* ---- the answer ---- */

static int unreachable(const struct exchange *x)
{
	long os_error = 0;

	(void) curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_error);
	return os_error == EACCES ? -POD_E_DENIED : -POD_E_UNAVAILABLE;
}

static int error_of(const struct exchange *x, CURLcode code)
{
	switch (code) {
	case CURLE_OK: return 0;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR: return -POD_E_AUTH;
	case CURLE_WRITE_ERROR: return x->body.failed ? -POD_E_NOMEM : -POD_E_LIMIT;
	case CURLE_OPERATION_TIMEDOUT: return -POD_E_TIMEOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST: return unreachable(x);
	case CURLE_OUT_OF_MEMORY: return -POD_E_NOMEM;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT: return -POD_E_SYNTAX;
	default: return -POD_E_IO; /* libcurl has a hundred ways to say that a connection broke */
	}
}

struct http_answer exchange_answer(const struct exchange *x, CURLcode code)
{
	struct http_answer answer = {
		.r = error_of(x, code), .why = "", .type = "", .body = buf_span(&x->body)
	};
	const char *type = NULL;
	long status = 0;

	if (answer.r < 0)
		answer.why = answer.r == -POD_E_LIMIT ? "the answer is too large"
		             : x->error[0]            ? x->error
		                                      : curl_easy_strerror(code);
	(void) curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
	answer.status = (unsigned int) status;
	answer.type = type ? type : "";
	return answer;
}
