/* What may happen to a domain's keys. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/keys/keys_internal.h"

static const char *pem_name(struct arena *a, const char *selector)
{
	return arena_printf(a, "%s.pem", selector);
}

/* The day and the first letter of the type, and a number where that day has more of them. */
static const char *selector_new(struct arena *a, const struct key_list *list, enum key_type type,
                                int64_t now_s)
{
	time_t t = now_s;
	struct tm tm;
	char day[16];

	(void) gmtime_r(&t, &tm);
	(void) strftime(day, sizeof(day), "%Y%m%d", &tm);
	for (unsigned int i = 1; i <= KEYS_MAX + 1; i++) {
		const char *s = i == 1 ? arena_printf(a, "%s%c", day, *key_type_name(type))
		                       : arena_printf(a, "%s%c%u", day, *key_type_name(type), i);

		if (!s || !keys_find(list, s))
			return s;
	}
	return NULL;
}

static EVP_PKEY *generate(enum key_type type, unsigned int bits)
{
	return type == KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) bits)
	                       : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static int pem_of(struct arena *a, EVP_PKEY *pkey, struct span *ret_pem, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	int r = -1;

	if (bio && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		long n = BIO_get_mem_data(bio, &text);

		*ret_pem = arena_dup(a, span_make(text, (size_t) n));
		r = ret_pem->p ? 0 : -1;
	}
	BIO_free(bio);
	return r == 0 ? 0 : err_set(err, POD_E_NOMEM, "PEM");
}

static int write_key(struct keys *keys, struct arena *a, const struct key_list *list, const char *selector,
                     enum key_type type, unsigned int bits, struct err *err)
{
	EVP_PKEY *pkey = generate(type, bits);
	const char *file = pem_name(a, selector);
	struct span pem;
	int r;

	if (!pkey || !file) {
		EVP_PKEY_free(pkey);
		return err_set(err, POD_E_INTERNAL, "making a key");
	}
	r = pem_of(a, pkey, &pem, err);
	EVP_PKEY_free(pkey);
	return r == 0 ? keys_write_file(keys, a, list->domain, file, pem, err) : r;
}

int keys_create(struct keys *keys, struct arena *a, const char *domain, enum key_type type, unsigned int bits,
                int64_t now_s, struct key_info *ret_info, struct err *err)
{
	struct key_info *info;
	struct key_list list;
	int r = keys_read(keys, a, domain, &list, err);

	if (r < 0)
		return r;
	if (list.n == KEYS_MAX)
		return err_set(err, POD_E_LIMIT, "%s has %d keys already; remove some", list.domain,
		               KEYS_MAX);
	if (type == KEY_RSA && (bits < PUBLIC_KEY_RSA_BITS_MIN || bits > 4096))
		return err_set(err, POD_E_SYNTAX, "an RSA key has %d to 4096 bits", PUBLIC_KEY_RSA_BITS_MIN);
	info = &list.keys[list.n];
	*info = (struct key_info){ .type = type, .bits = type == KEY_RSA ? bits : 256, .created_s = now_s };
	info->selector = selector_new(a, &list, type, now_s);
	if (!info->selector)
		return err_set(err, POD_E_NOMEM, "keys");
	r = write_key(keys, a, &list, info->selector, type, bits, err);
	if (r < 0)
		return r;
	list.n++;
	r = keys_write_list(keys, a, &list, err);
	if (r == 0)
		*ret_info = *info;
	return r;
}

static int find_index(const struct key_list *list, const char *selector, size_t *ret_i, struct err *err)
{
	const struct key_info *info = keys_find(list, selector);

	if (!info)
		return err_set(err, POD_E_NOTFOUND, "%s has no key %.64s", list->domain, selector);
	*ret_i = (size_t) (info - list->keys);
	return 0;
}

int keys_activate(struct keys *keys, struct arena *a, const char *domain, const char *selector, int64_t now_s,
                  struct err *err)
{
	struct key_list list;
	size_t i = 0;
	int r = keys_read(keys, a, domain, &list, err);

	if (r < 0 || (r = find_index(&list, selector, &i, err)) < 0)
		return r;
	if (list.keys[i].state == KEY_ACTIVE)
		return err_set(err, POD_E_EXISTS, "%s is active already", selector);
	for (size_t k = 0; k < list.n; k++)
		if (list.keys[k].type == list.keys[i].type && list.keys[k].state == KEY_ACTIVE) {
			list.keys[k].state = KEY_RETIRED;
			list.keys[k].retired_s = now_s;
		}
	list.keys[i].state = KEY_ACTIVE;
	list.keys[i].activated_s = now_s;
	list.keys[i].retired_s = 0;
	return keys_write_list(keys, a, &list, err);
}

int keys_remove(struct keys *keys, struct arena *a, const char *domain, const char *selector, struct err *err)
{
	const char *file = pem_name(a, selector), *path;
	struct key_list list;
	size_t i = 0;
	int r = keys_read(keys, a, domain, &list, err);

	if (r < 0 || (r = find_index(&list, selector, &i, err)) < 0)
		return r;
	path = file ? keys_path(keys, a, list.domain, file) : NULL;
	if (!path)
		return err_set(err, POD_E_NOMEM, "keys");
	list.n--;
	memmove(&list.keys[i], &list.keys[i + 1], (list.n - i) * sizeof(list.keys[0]));
	/* the list first: a key that is not in it is never used, one without its file would stop all signing
	 */
	r = keys_write_list(keys, a, &list, err);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "%s", path);
	return r;
}

int keys_set_rotation(struct keys *keys, struct arena *a, const char *domain, unsigned int days,
                      struct err *err)
{
	struct key_list list;
	int r = keys_read(keys, a, domain, &list, err);

	if (r < 0)
		return r;
	list.rotate_days = days;
	return keys_write_list(keys, a, &list, err);
}

int keys_load(struct keys *keys, struct arena *a, const char *domain, const struct key_info *info,
              struct signing_key *ret_key, struct err *err)
{
	struct signing_key key = { .selector = info->selector, .type = info->type };
	const char *file = pem_name(a, info->selector), *path;
	struct span pem;
	BIO *bio;
	int r = keys_domain(a, domain, &key.domain, err);

	path = r == 0 && file ? keys_path(keys, a, key.domain, file) : NULL;
	if (!path)
		return r < 0 ? r : err_set(err, POD_E_NOMEM, "keys");
	r = keys_read_file(path, a, &pem, err);
	if (r < 0)
		return r == -POD_E_NOTFOUND ? err_set(err, POD_E_CORRUPT, "%s: not there", path) : r;
	key.text = (const char *) pem.p; /* NUL-terminated by the arena */
	bio = BIO_new_mem_buf(pem.p, (int) pem.len);
	key.pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!key.pkey)
		return err_set(err, POD_E_CORRUPT, "%s: holds no private key", path);
	*ret_key = key;
	return 0;
}

void keys_release(struct signing_key *key)
{
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
}
