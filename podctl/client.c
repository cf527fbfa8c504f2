#include "podctl/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/http.h"

#define TIMEOUT_MS     60000
#define ANSWER_MAX     (256u << 20)
#define LOOK_AT_STATUS "podctl status shows how the pod is; its log is in log/podmail.log"

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

static int take_answer(struct cli *cli, const struct http_answer *from, json_t **ret_answer)
{
	json_t *answer = json_loadb((const char *) from->body.p, from->body.len, 0, NULL);

	if (!answer)
		return err_set(&cli->err, POD_E_PROTOCOL, "podd's answer is no JSON (HTTP status %u)",
		               from->status);
	if (from->status >= 200 && from->status < 300) {
		*ret_answer = answer;
		return 0;
	}
	(void) client_take_error(cli, answer);
	json_decref(answer);
	return -cli->err.code;
}

static int unreachable(struct cli *cli, const struct http_answer *answer)
{
	switch (answer->r) {
	case -POD_E_DENIED:
		cli->hint = "run podctl as the user that runs the pod, or as root";
		return err_set(&cli->err, POD_E_DENIED, "the admin socket of %s is not for this user",
		               cli->dir);
	case -POD_E_UNAVAILABLE:
		cli->hint = "podctl up starts it";
		return err_set(&cli->err, POD_E_UNAVAILABLE, "the pod in %s does not run", cli->dir);
	case -POD_E_TIMEOUT:
		cli->hint = LOOK_AT_STATUS;
		return err_set(&cli->err, POD_E_TIMEOUT, "podd does not answer");
	case -POD_E_NOMEM: return err_set(&cli->err, POD_E_NOMEM, "request to podd");
	default:
		cli->hint = LOOK_AT_STATUS;
		return err_set(&cli->err, POD_E_UNAVAILABLE, "podd: %s", answer->why);
	}
}

struct waiting {
	struct cli *cli;
	json_t **ret_answer;
	int r;
};

static void waiting_on_answer(void *arg, const struct http_answer *answer)
{
	struct waiting *w = arg;

	w->r = answer->r == 0 ? take_answer(w->cli, answer, w->ret_answer) : unreachable(w->cli, answer);
}

static int call(struct cli *cli, const char *method, const char *path, const char *body,
                unsigned int timeout_ms, json_t **ret_answer)
{
	const struct conf *conf;
	struct waiting w = { .cli = cli, .ret_answer = ret_answer };
	struct http_ask ask = { .method = method,
		                .body_type = "application/json",
		                .answer_max = ANSWER_MAX,
		                .timeout_ms = timeout_ms };
	int r = cli_conf(cli, &conf);

	if (r < 0)
		return r;
	ask.url = arena_printf(cli->arena, "http://podd%s", path);
	ask.unix_socket = conf->podd.admin_socket;
	if (body)
		ask.body = span_of(body);
	if (!ask.url)
		return err_set(&cli->err, POD_E_NOMEM, "request to podd");
	http_call(&ask, waiting_on_answer, &w);
	return w.r;
}

static int call_with(struct cli *cli, const char *method, const char *path, json_t *body,
                     unsigned int timeout_ms, json_t **ret_answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int r;

	if (body && !text)
		r = err_set(&cli->err, POD_E_SYNTAX, "what was given is not valid UTF-8");
	else
		r = call(cli, method, path, text, timeout_ms, ret_answer);
	json_decref(body);
	if (text)
		explicit_bzero(text, strlen(text)); /* it may hold a password */
	free(text);
	return r;
}

int client_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_answer)
{
	return call_with(cli, method, path, body, TIMEOUT_MS, ret_answer);
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
