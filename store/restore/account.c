/* A user who is not there any more, made again from a source's account.json. */
#include "base/cleanup.h"
#include "store/index/submit_wait.h"
#include "store/restore/restore.h"

#define MEMORY ((size_t) 64 << 20)

static int add_user(struct volume *vol, struct arena *a, const struct source *s, struct span user_id,
                    const char *address, struct err *err)
{
	const struct account *acc = source_account(s);
	struct change c = { .kind = CHANGE_USER_ADD, .a = a, .user_id = user_id };

	if (!acc)
		return err_set(err, POD_E_CORRUPT,
		               "user %s of the source has no account.json that can be read; add the user, "
		               "then restore the mail",
		               source_user_id(s));
	c.u.user_op.user = (struct volume_user){ .address = address ? address : acc->address,
		                                 .display_name = acc->display_name,
		                                 .quota_bytes = acc->quota_bytes,
		                                 .created = acc->created,
		                                 .crypt_hash = acc->crypt_hash,
		                                 .scram = acc->scram,
		                                 /* tokens of sessions before the removal stay void */
		                                 .credential_version = acc->credential_version + 1 };
	return volume_submit_wait(vol, &c, err);
}

static int subscribe(struct volume *vol, struct arena *a, struct span user_id, struct span name)
{
	struct change c = { .kind = CHANGE_MAILBOX_SUBSCRIBE, .a = a, .user_id = user_id };

	c.u.mailbox_op.name = name;
	c.u.mailbox_op.subscribed = true;
	return volume_submit_wait(vol, &c, NULL);
}

int volume_restore_account(struct volume *vol, const struct source_options *o, struct span user_id,
                           const char *address, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(MEMORY);
	struct source_options files_only = *o;
	struct source *s = NULL;
	struct span *names = NULL;
	size_t n = 0;
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "restore");
	files_only.exact = false; /* account and subscriptions are never behind */
	r = source_open(&files_only, a, &s, err);
	if (r == 0)
		r = add_user(vol, a, s, user_id, address, err);
	if (r == 0)
		r = source_subscriptions(s, &names, &n, err);
	/* A line that is no mailbox's name is not worth the account. */
	for (size_t i = 0; r == 0 && i < n && !volume_broken(vol); i++)
		(void) subscribe(vol, a, user_id, names[i]);
	(void) source_close(s);
	return r;
}
