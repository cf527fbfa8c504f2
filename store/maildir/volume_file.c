#include "store/maildir/volume_file.h"

#include "base/buf.h"
#include "store/maildir/file.h"
#include "store/maildir/json.h"

#define VOLUME_FILE "volume.json"
#define KEY_FILE "volume.key"

int volume_file_write(int dir, const struct volume_file *f, struct err *err)
{
	char id[ID_TEXT_SIZE];

	guid_format(&f->id, id);
	return json_file_write(dir, VOLUME_FILE,
	                       json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "version", VOLUME_FORMAT_VERSION, "id", id,
	                                 "name", f->name, "created", (json_int_t) f->created, "modseq_reserve",
	                                 (json_int_t) f->modseq_reserve, "mailbox_reserve",
	                                 (json_int_t) f->mailbox_reserve, "uidvalidity_reserve",
	                                 (json_int_t) f->uidvalidity_reserve, "token", (json_int_t) f->token),
	                       err);
}

int volume_file_read(int dir, struct volume_file *ret_file, struct err *err)
{
	_cleanup_json_ json_t *j = NULL;
	struct volume_file f = { 0 };
	uint64_t mailbox, validity;
	int r = json_file_read(dir, VOLUME_FILE, &j, err);

	if (r < 0)
		return r;
	if (json_member_u64(j, "version") != VOLUME_FORMAT_VERSION)
		return err_set(err, POD_E_VERSION, VOLUME_FILE ": format %llu is not the one known here, %d",
		               (unsigned long long) json_member_u64(j, "version"), VOLUME_FORMAT_VERSION);
	maildir_host_make(span_of(json_string_value(json_object_get(j, "name"))), f.name);
	f.created = (int64_t) json_member_u64(j, "created");
	f.modseq_reserve = json_member_u64(j, "modseq_reserve");
	f.token = json_member_u64(j, "token");
	mailbox = json_member_u64(j, "mailbox_reserve");
	validity = json_member_u64(j, "uidvalidity_reserve");
	if (guid_parse(span_of(json_string_value(json_object_get(j, "id"))), &f.id) < 0 || mailbox > UINT32_MAX ||
	    validity > UINT32_MAX)
		return err_set(err, POD_E_CORRUPT, VOLUME_FILE ": id or a reserve is not one");
	f.mailbox_reserve = (uint32_t) mailbox;
	f.uidvalidity_reserve = (uint32_t) validity;
	*ret_file = f;
	return 0;
}

int volume_key_write(int dir, const uint8_t key[VOLUME_SECRET_SIZE], struct err *err)
{
	return file_replace(dir, KEY_FILE, span_make(key, VOLUME_SECRET_SIZE), 0600, err);
}

int volume_key_read(int dir, uint8_t key[VOLUME_SECRET_SIZE], struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = file_read(dir, KEY_FILE, VOLUME_SECRET_SIZE, &b, err);

	if (r == 0 && b.len != VOLUME_SECRET_SIZE)
		r = err_set(err, POD_E_CORRUPT, KEY_FILE " has %zu bytes, not %d", b.len, VOLUME_SECRET_SIZE);
	if (r == 0)
		memcpy(key, b.p, VOLUME_SECRET_SIZE);
	return r;
}
