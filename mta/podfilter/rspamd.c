#include "mta/podfilter/rspamd.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define TIMEOUT_S  10L
#define ANSWER_MAX 2000

struct request {
	CURL *curl;
	struct curl_slist *fields;
	struct buf answer;
};

static size_t take_answer(char *p, size_t size, size_t n, void *arg)
{
	buf_add(arg, span_make(p, size * n));
	return size * n; /* what is over the limit is dropped: words for a log */
}

static void request_done(struct request *rq)
{
	curl_slist_free_all(rq->fields);
	if (rq->curl)
		curl_easy_cleanup(rq->curl);
	buf_done(&rq->answer);
}

static int request_make(struct request *rq, const char *url, const char *password, struct span message,
                        struct err *err)
{
	char field[300];
	CURLcode e = CURLE_OUT_OF_MEMORY;

	rq->curl = curl_easy_init();
	(void) snprintf(field, sizeof(field), "Password: %s", password);
	rq->fields = curl_slist_append(NULL, "Content-Type: message/rfc822");
	if (rq->fields && *password && !curl_slist_append(rq->fields, field))
		return err_set(err, POD_E_NOMEM, "rspamd");
	if (rq->curl && rq->fields) {
		e = curl_easy_setopt(rq->curl, CURLOPT_URL, url);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_POST, 1L);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_POSTFIELDS, message.p);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) message.len);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_HTTPHEADER, rq->fields);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_TIMEOUT, TIMEOUT_S);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_NOSIGNAL, 1L);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_WRITEFUNCTION, take_answer);
		e = e ? e : curl_easy_setopt(rq->curl, CURLOPT_WRITEDATA, &rq->answer);
	}
	return e ? err_set(err, POD_E_NOMEM, "rspamd: %s", curl_easy_strerror(e)) : 0;
}

/* 208 says that it has learnt this message before. */
static int outcome(struct request *rq, struct err *err)
{
	long status = 0;

	(void) curl_easy_getinfo(rq->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return 0;
	return err_set(err, status >= 500 ? POD_E_UNAVAILABLE : POD_E_DENIED, "rspamd: status %ld: %.150s",
	               status, buf_str(&rq->answer));
}

int rspamd_learn(const char *url, const char *password, bool spam, struct span message, struct err *err)
{
	struct request rq = { .answer = { .limit = ANSWER_MAX } };
	char target[1024];
	CURLcode e;
	int r;

	(void) snprintf(target, sizeof(target), "%s/%s", url, spam ? "learnspam" : "learnham");
	r = request_make(&rq, target, password, message, err);
	if (r == 0) {
		e = curl_easy_perform(rq.curl);
		r = e ? err_set(err, POD_E_UNAVAILABLE, "rspamd: %s", curl_easy_strerror(e))
		      : outcome(&rq, err);
	}
	request_done(&rq);
	return r;
}
