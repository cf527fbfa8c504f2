/* A user who is not there any more, made again from a source's account.json, with the states he had. */
#include "base/cleanup.h"
#include "store/index/submit_wait.h"
#include "store/maildir/state_file.h"
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

/* The states of the user are those of the newest whole file of each name; a damaged one is not worth the account. */
static int put_state(struct volume *vol, struct arena *a, struct span user_id, const struct state_file *f, struct err *err)
{
	struct state_put put = { .name = f->name, .value = f->value, .expects = true };
	struct change c = { .kind = CHANGE_STATE_PUT, .a = a, .user_id = user_id };
	int r;

	c.u.state.puts = &put;
	c.u.state.puts_n = 1;
	r = volume_submit_wait(vol, &c, err);
	return volume_broken(vol) ? r : 0;
}

static int put_states(struct volume *vol, const struct source *s, struct span user_id, struct err *err)
{
	_cleanup_(arena_freep) struct arena *names = arena_create(MEMORY);
	struct scanned_states list = { 0 };
	struct span known = SPAN_NONE;
	_cleanup_(closep) int fd = -1;
	int r = source_states_open(s, &fd, err);

	if (r < 0)
		return r == -POD_E_NOTFOUND ? 0 : r;
	r = names ? state_folder_scan(dup(fd), names, &list, err) : err_set(err, POD_E_NOMEM, "restore");
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(MEMORY);
		const struct scanned_state *at = &list.items[i];
		struct state_file f;

		if (known.p && span_eq(known, at->name))
			continue;
		if (!a || state_file_read_beneath(fd, at->name, at->version, a, &f, NULL) < 0)
			continue;
		known = at->name;
		if (!f.gone)
			r = put_state(vol, a, user_id, &f, err);
	}
	return r;
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
	if (r == 0)
		r = put_states(vol, s, user_id, err);
	/* A line that is no mailbox's name is not worth the account. */
	for (size_t i = 0; r == 0 && i < n && !volume_broken(vol); i++)
		(void) subscribe(vol, a, user_id, names[i]);
	(void) source_close(s);
	return r;
}
