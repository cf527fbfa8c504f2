/* Snapshots mounted by hand, for people who want to look; restores mount what they need themselves. */
#include "podctl/podd/api.h"
#include "podctl/podd/mounts.h"

/* ?site= says which replica's; without it, whichever is there. */
static struct mount_place read_place(const struct api_call *call)
{
	return (struct mount_place){ call->params[0], call->params[1],
		                     evhttp_find_header(&call->query, "site") };
}

static void on_mounted(void *arg, int r, struct mount *m, const char *text)
{
	struct api_call *call = arg;
	struct err err = { 0 };

	if (r == 0) {
		api_reply(call, 200, mount_json(m));
		return;
	}
	(void) err_set(&err, (enum pod_error) - r, "%s", text);
	api_fail(call, &err);
}

void api_mount_list(struct api_call *call)
{
	api_reply(call, 200, json_pack("{so, sb}", "mounts", mounts_json(call->podd->mounts), "more", 0));
}

void api_mount_add(struct api_call *call)
{
	const struct mount_place place = read_place(call);

	mounts_hold(call->podd->mounts, &place, on_mounted, call);
}

static void on_gone(void *arg)
{
	struct api_call *call = arg;

	api_reply(call, 200, json_pack("{ss}", "removed", call->params[1]));
}

/* Answered when the snapshot is not read any more: it may be deleted then. */
void api_mount_remove(struct api_call *call)
{
	const struct mount_place place = read_place(call);
	struct err err = { 0 };

	if (mounts_let_go(call->podd->mounts, &place, on_gone, call, &err) < 0)
		api_fail(call, &err);
}
