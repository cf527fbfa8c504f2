#include "store/maildir/account.h"

#include "base/buf.h"
#include "store/maildir/file.h"
#include "store/maildir/json.h"

#define SUBSCRIPTIONS_MAX 100000

static json_t *account_json(const struct account *acc)
{
	return json_pack("{s:i, s:s, s:s, s:I, s:I, s:s, s:s, s:I}", "version", 1, "address", acc->address,
	                 "display_name", acc->display_name, "quota_bytes", (json_int_t) acc->quota_bytes, "created",
	                 (json_int_t) acc->created, "crypt_hash", acc->crypt_hash, "scram", acc->scram,
	                 "credential_version", (json_int_t) acc->credential_version);
}

int account_write(int dir, const char *path, const char *before, const struct account *acc, struct err *err)
{
	_cleanup_json_ json_t *ours = account_json(acc), *all = NULL;
	int r = before ? json_file_read(dir, before, &all, err) : -POD_E_NOTFOUND;

	if (r == -POD_E_NOTFOUND)
		all = json_object();
	else if (r < 0)
		return r;
	if (!ours)
		return err_set(err, POD_E_SYNTAX, "an account's names are UTF-8");
	if (!all || json_object_update(all, ours) < 0)
		return err_set(err, POD_E_NOMEM, "write %s", path);
	return json_file_write(dir, path, json_incref(all), err);
}

int account_read(int dir, const char *path, struct arena *a, struct account *ret_account, struct err *err)
{
	_cleanup_json_ json_t *j = NULL;
	struct account acc = { 0 };
	int r = json_file_read(dir, path, &j, err);

	if (r < 0)
		return r;
	acc.address = json_member_str(a, j, "address");
	acc.display_name = json_member_str(a, j, "display_name");
	acc.crypt_hash = json_member_str(a, j, "crypt_hash");
	acc.scram = json_member_str(a, j, "scram");
	if (!acc.address || !acc.display_name || !acc.crypt_hash || !acc.scram)
		return err_set(err, POD_E_NOMEM, "%s", path);
	if (!*acc.address)
		return err_set(err, POD_E_CORRUPT, "%s: no address", path);
	acc.quota_bytes = json_member_u64(j, "quota_bytes");
	acc.created = (int64_t) json_member_u64(j, "created");
	acc.credential_version = json_member_u64(j, "credential_version");
	*ret_account = acc;
	return 0;
}

int subscriptions_write(int dir, const char *path, const struct span *names, size_t n, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		buf_add(&b, names[i]);
		buf_add_byte(&b, '\n');
	}
	return b.failed ? err_set(err, POD_E_NOMEM, "write %s", path) : file_replace(dir, path, buf_span(&b), 0600, err);
}

int subscriptions_read(int dir, const char *path, struct arena *a, struct span **ret_names, size_t *ret_n,
                       struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct span rest, *names = NULL;
	size_t n = 0, cap = 0;
	int r = file_read(dir, path, JSON_FILE_MAX, &b, err);

	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	rest = arena_dup(a, buf_span(&b));
	while (rest.len && n < SUBSCRIPTIONS_MAX) {
		struct span line = span_split(rest, '\n', &rest);

		if (line.len == 0)
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 16;
			names = arena_grow(a, names, n, cap, sizeof(*names));
			if (!names)
				return err_set(err, POD_E_NOMEM, "read %s", path);
		}
		names[n++] = line;
	}
	*ret_names = names;
	*ret_n = n;
	return 0;
}
