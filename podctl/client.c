#include "podctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define TIMEOUT_S  60L
#define ANSWER_MAX (256u << 20)

/* RFC 3986 2.3: what need not be encoded. */
static bool is_unreserved(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

const char *client_segment(struct cli *cli, const char *text)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (; *text; text++) {
		if (is_unreserved((uint8_t) *text))
			buf_add_byte(&b, (uint8_t) *text);
		else
			buf_printf(&b, "%%%02X", (uint8_t) *text);
	}
	return b.failed ? NULL : arena_str(cli->arena, buf_span(&b));
}

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_add(b, span_make(p, size * n));
	return b->failed ? 0 : size * n;
}

static int code_of_name(const char *name)
{
	for (int code = 1; name && code < POD_E_END; code++)
		if (strcmp(err_code_name(code), name) == 0)
			return code;
	return POD_E_INTERNAL;
}

int client_take_error(struct cli *cli, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *hint = json_string_value(json_object_get(error, "hint"));
	int code = code_of_name(json_string_value(json_object_get(error, "code")));

	cli->hint = hint ? arena_str(cli->arena, span_of(hint)) : NULL;
	return err_set(&cli->err, (enum pod_error) code, "%s", message ? message : "podd gave no reason");
}

static int take_answer(struct cli *cli, long status, const struct buf *text, json_t **ret_answer)
{
	json_t *answer = json_loadb((const char *) text->p, text->len, 0, NULL);

	if (!answer)
		return err_set(&cli->err, POD_E_PROTOCOL, "podd's answer is no JSON (HTTP status %ld)",
		               status);
	if (status >= 200 && status < 300) {
		*ret_answer = answer;
		return 0;
	}
	(void) client_take_error(cli, answer);
	json_decref(answer);
	return -cli->err.code;
}

static int unreachable(struct cli *cli, CURLcode why, const char *text, long os_error)
{
	if (why == CURLE_COULDNT_CONNECT && os_error == EACCES) {
		cli->hint = "run podctl as the user that runs the pod, or as root";
		return err_set(&cli->err, POD_E_DENIED, "the admin socket of %s is not for this user",
		               cli->dir);
	}
	if (why == CURLE_COULDNT_CONNECT) {
		cli->hint = "podctl up starts it";
		return err_set(&cli->err, POD_E_UNAVAILABLE, "the pod in %s does not run", cli->dir);
	}
	cli->hint = "podctl status shows how the pod is; its log is in log/podmail.log";
	if (why == CURLE_OPERATION_TIMEDOUT)
		return err_set(&cli->err, POD_E_TIMEOUT, "podd does not answer");
	return err_set(&cli->err, POD_E_UNAVAILABLE, "podd: %s", *text ? text : curl_easy_strerror(why));
}

static int perform(struct cli *cli, CURL *curl, json_t **ret_answer)
{
	_cleanup_buf_ struct buf answer = { .limit = ANSWER_MAX };
	char text[CURL_ERROR_SIZE] = "";
	long status = 0, os_error = 0;
	CURLcode r;

	(void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	(void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	(void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	r = curl_easy_perform(curl);
	(void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	return r == CURLE_OK ? take_answer(cli, status, &answer, ret_answer)
	                     : unreachable(cli, r, text, os_error);
}

static int call(struct cli *cli, const char *method, const char *path, const char *body, long timeout_s,
                json_t **ret_answer)
{
	const struct conf *conf;
	int r = cli_conf(cli, &conf);
	const char *url = r == 0 ? arena_printf(cli->arena, "http://podd%s", path) : NULL;
	CURL *curl = url ? curl_easy_init() : NULL;
	struct curl_slist *headers = NULL;

	if (r < 0)
		return r;
	if (!curl)
		return err_set(&cli->err, POD_E_NOMEM, "request to podd");
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	(void) curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, conf->podd.admin_socket);
	(void) curl_easy_setopt(curl, CURLOPT_URL, url);
	(void) curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	(void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void) curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
	if (body || strcmp(method, "POST") == 0)
		(void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
	r = perform(cli, curl, ret_answer);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return r;
}

static int call_with(struct cli *cli, const char *method, const char *path, json_t *body, long timeout_s,
                     json_t **ret_answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int r;

	if (body && !text)
		r = err_set(&cli->err, POD_E_SYNTAX, "what was given is not valid UTF-8");
	else
		r = call(cli, method, path, text, timeout_s, ret_answer);
	json_decref(body);
	if (text)
		explicit_bzero(text, strlen(text)); /* it may hold a password */
	free(text);
	return r;
}

int client_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_answer)
{
	return call_with(cli, method, path, body, TIMEOUT_S, ret_answer);
}

int client_call_long(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_answer)
{
	return call_with(cli, method, path, body, 0, ret_answer);
}

int client_list(struct cli *cli, const char *path, const char *key, json_t **ret_answer)
{
	json_t *all = NULL, *page;
	const char *page_path = path;

	for (;;) {
		int r = page_path ? client_call(cli, "GET", page_path, NULL, &page)
		                  : err_set(&cli->err, POD_E_NOMEM, "listing");
		const char *after;

		if (r < 0) {
			json_decref(all);
			return r;
		}
		if (!all)
			all = json_incref(page);
		else
			(void) json_array_extend(json_object_get(all, key), json_object_get(page, key));
		after = json_string_value(json_object_get(page, "after"));
		page_path = after ? arena_printf(cli->arena, "%s%cafter=%s", path,
		                                 strchr(path, '?') ? '&' : '?', client_segment(cli, after))
		                  : NULL;
		json_decref(page);
		if (!after)
			break;
	}
	(void) json_object_del(all, "more");
	(void) json_object_del(all, "after");
	*ret_answer = all;
	return 0;
}
