/*
 * The admin API: JSON over HTTP, on a unix socket (for the user that podd runs as, and root) and on a TCP
 * port (for who has the token in run/admin.token). api_NAME.c holds the handlers of one object each. One
 * thread.
 */
#ifndef PODCTL_PODD_API_H
#define PODCTL_PODD_API_H

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/err.h"
#include "podctl/podd/podd.h"
#include "podctl/podd/route.h"

#define API_BODY_MAX (2u << 20) /* a message that podfilter is to look at, in base64 */

/* One request. The handler answers it exactly once, at once or later, by api_reply or api_fail; it is then
 * gone. */
struct api_call {
	struct podd *podd;
	struct evhttp_request *http;
	struct arena *arena;
	json_t *body; /* an object; NULL where the request has none */
	const char *params[ROUTE_PARAMS_MAX];
	struct evkeyvalq query;
	LIST_ENTRY(api_call) link;
};

/* Opens the sockets and answers from now on. The token file is made where it is missing. */
int api_start(struct podd *p, struct api **ret_api, struct err *err);
/* Whether requests wait for their answer. */
bool api_is_busy(const struct api *api);
/* Closes everything. All calls must have been answered. */
struct api *api_free(struct api *api);

void api_reply(struct api_call *call, int status, json_t *answer); /* takes answer; NULL: memory is out */
void api_fail(struct api_call *call, const struct err *err);
/* The same with what to do about it. */
void api_fail_hint(struct api_call *call, const struct err *err, const char *hint);

/* The HTTP status of a POD_E_* code. And what an admin can do about it in general, or NULL. */
int api_http_status(int code);
const char *api_hint(int code);
/* The same after a deletion, where BUSY means that something else names the object. */
const char *api_hint_delete(int code);

/* Fields of the body. A string that is missing is NULL; of the wrong type or too long: -POD_E_SYNTAX. */
int api_string(const struct api_call *call, const char *name, const char **ret_text, struct err *err);
int api_string_required(const struct api_call *call, const char *name, const char **ret_text,
                        struct err *err);
/* The field "language": one that the mta writes reports in, or "" for none. */
int api_language(const struct api_call *call, const char **ret_language, struct err *err);
/* *ret_there false where it is missing. */
int api_size(const struct api_call *call, const char *name, bool *ret_there, uint64_t *ret_value,
             struct err *err);
int api_bool(const struct api_call *call, const char *name, bool *ret_there, bool *ret_value,
             struct err *err);
/* An array of at most max strings, in the call's arena. */
int api_strings(const struct api_call *call, const char *name, size_t max, const char ***ret_items,
                size_t *ret_n, struct err *err);
/* Strings of a record as an array; NULL where memory is out. */
json_t *api_strings_json(char *const *items, size_t n);
/* Refuses fields that are not in names (n of them), so that a typing error is not taken for a wish granted.
 */
int api_only(const struct api_call *call, const char *const *names, size_t n, struct err *err);
/* An address in the form that the directory uses, in the call's arena. */
int api_address(const struct api_call *call, const char *text, const char **ret_address, struct err *err);
/* The user that the path names, as the directory has it; in the call's arena. */
int api_user_find(struct api_call *call, const char **ret_address, const Directory__User **ret_user, struct err *err);
/* A name of a volume, host ...: [a-z0-9][a-z0-9-]{0,31}. */
int api_check_name(const char *what, const char *name, struct err *err);

/*
 * Answers a listing: {"<key>": [...], "more": bool}, of at most ?limit= objects after ?after=. to_json makes
 * one entry, or *ret_entry NULL to leave the object out.
 */
typedef int api_to_json_fn(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                           json_t **ret_entry);
void api_reply_list(struct api_call *call, enum directory_kind kind, const char *key,
                    api_to_json_fn *to_json);
/* Answers with one object. */
void api_reply_object(struct api_call *call, int status, enum directory_kind kind, const char *name,
                      api_to_json_fn *to_json);
/* Deletes an object and answers. */
void api_delete_object(struct api_call *call, enum directory_kind kind, const char *name);

/* api_status.c, for the metrics port too. */
void status_metrics(struct podd *p, struct evhttp_request *http);
void status_health(struct podd *p, struct evhttp_request *http);

/* Asks a process of the mta, on its socket in run_dir, and passes its JSON on as the answer. */
void api_mta_ask(struct api_call *call, const char *socket_name, const char *method, const char *target);
/* Such an answer's JSON, for who has something to add; else the call has failed by it, and -POD_E_* is returned. */
int api_mta_json(struct api_call *call, int status, struct span body, json_t **ret_json);

/* The handlers, one file for each object. */
api_handler api_status_get;
api_handler api_config_get, api_config_reload;
api_handler api_domain_list, api_domain_add, api_domain_get, api_domain_set, api_domain_remove;
api_handler api_user_list, api_user_add, api_user_get, api_user_set, api_user_remove, api_user_unlock;
api_handler api_user_oof_get, api_user_oof_set;
api_handler api_alias_list, api_alias_add, api_alias_get, api_alias_remove;
api_handler api_group_list, api_group_add, api_group_get, api_group_remove, api_group_member_add,
	api_group_member_remove;
api_handler api_device_list, api_device_get, api_device_remove, api_device_wipe, api_device_access;
api_handler api_user_policies_get, api_user_policies_set, api_domain_policies_get, api_domain_policies_set;
api_handler api_user_send_as_add, api_user_send_as_remove, api_group_send_as_add, api_group_send_as_remove;
api_handler api_volume_list, api_volume_add, api_volume_get, api_volume_fsck, api_volume_grow;
api_handler api_replication_list, api_replication_get, api_replication_do, api_operation_get;
api_handler api_switchover, api_failover, api_failback;
api_handler api_snapshot_list, api_snapshot_get, api_snapshot_take, api_snapshot_hold, api_snapshot_release,
	api_snapshot_delete, api_snapshot_verify;
api_handler api_queue_list, api_queue_lanes, api_queue_get, api_queue_message, api_queue_retry,
	api_queue_retry_all, api_queue_flush, api_queue_hold, api_queue_release, api_queue_remove;
api_handler api_dmarc_show, api_dmarc_report;
api_handler api_filter_show, api_filter_forget, api_filter_test;
api_handler api_dkim_domains, api_dkim_list, api_dkim_create, api_dkim_activate, api_dkim_remove, api_dkim_rotate;
api_handler api_trace_get;
api_handler api_trace_search, api_queue_safetynet;
api_handler api_tlsrpt_get, api_tlsrpt_send;
api_handler api_domain_dns;
api_handler api_milter_list;
api_handler api_route_get;
api_handler api_mount_list, api_mount_add, api_mount_remove;
api_handler api_restore_list, api_restore_add, api_restore_get, api_restore_cancel;

#endif
