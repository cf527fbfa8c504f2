#include "mta/podfilter/source.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "mime/header.h"

#define DIGEST_SIZE 32
#define FIELD_MAX   2048

/* ---- the key ---- */

static int key_make(const char *path, struct err *err)
{
	uint8_t key[SOURCE_KEY_SIZE];
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : err_errno(err, errno, "%s", path);
	random_bytes(key, sizeof(key));
	if (write(fd, key, sizeof(key)) != (ssize_t) sizeof(key) || fsync(fd) < 0) {
		int e = errno;

		(void) unlink(path);
		return err_errno(err, e, "%s", path);
	}
	return 0;
}

int source_key_load(const char *path, uint8_t key[SOURCE_KEY_SIZE], struct err *err)
{
	int r = key_make(path, err);
	_cleanup_(closep) int fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (r < 0)
		return r;
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	if (read(fd, key, SOURCE_KEY_SIZE) != SOURCE_KEY_SIZE)
		return err_set(err, POD_E_CONFIG, "%s: not a key of %d bytes", path, SOURCE_KEY_SIZE);
	return 0;
}

static void sign(struct span text, const uint8_t key[SOURCE_KEY_SIZE], char hex[2 * DIGEST_SIZE + 1])
{
	uint8_t digest[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int len = 0;

	(void) HMAC(EVP_sha256(), key, SOURCE_KEY_SIZE, text.p, text.len, digest, &len);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		(void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* ---- writing ---- */

/* A name that is one: what HELO says may hold anything. */
static bool is_plain(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	return n > 0 && name[n] == '\0' && n <= 253;
}

static void put_name(struct buf *out, const char *label, const char *name)
{
	if (name && is_plain(name))
		buf_printf(out, "; %s=%s", label, name);
}

void source_write(const struct session *s, const struct authentication *auth, int64_t now_s,
                  const uint8_t key[SOURCE_KEY_SIZE], struct buf *out)
{
	char hex[2 * DIGEST_SIZE + 1];

	buf_printf(out, "v1; address=%s", s->client_text);
	put_name(out, "domain", auth->dkim_domain);
	if (!auth->dkim_domain || !auth->spf_domain || strcmp(auth->dkim_domain, auth->spf_domain) != 0)
		put_name(out, "domain", auth->spf_domain);
	if (!auth->dkim_domain && !auth->spf_domain)
		put_name(out, "helo", s->helo);
	buf_printf(out, "; time=%lld", (long long) now_s);
	sign(buf_span(out), key, hex);
	buf_printf(out, "; sign=%s", hex);
}

/* ---- reading ---- */

/* On its way through the queue or another server the field may have been folded. */
static struct span without_folds(struct span value, char *buf, size_t size)
{
	size_t n = 0;

	value = span_trim(value);
	for (size_t i = 0; i < value.len && n < size; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n' && value.p[i] != '\t')
			buf[n++] = (char) value.p[i];
	return span_make(buf, n);
}

static void take_address(struct sender *who, struct span text)
{
	char host[80];
	struct net_addr addr;

	(void) snprintf(host, sizeof(host),
	                span_find_byte(text, ':') == SIZE_MAX ? SPAN_FMT ":25" : "[" SPAN_FMT "]:25",
	                SPAN_ARG(text));
	if (net_addr_parse(span_of(host), &addr, NULL) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		enum reputation_kind kind = i ? REPUTATION_NETWORK : REPUTATION_ADDRESS;

		if (who->n < SENDER_KEYS_MAX && reputation_address_key(kind, &addr, &who->keys[who->n]))
			who->kinds[who->n++] = kind;
	}
}

static void take_part(struct sender *who, struct span part)
{
	struct span value, label = span_split(part, '=', &value);
	enum reputation_kind kind = span_eq(label, SPAN_LIT("domain")) ? REPUTATION_DOMAIN
	                            : span_eq(label, SPAN_LIT("helo")) ? REPUTATION_HELO
	                                                               : 0;

	if (span_eq(label, SPAN_LIT("address")))
		take_address(who, value);
	else if (kind && who->n < SENDER_KEYS_MAX && reputation_name_key(kind, value, &who->keys[who->n]))
		who->kinds[who->n++] = kind;
}

static int read_value(struct span text, const uint8_t key[SOURCE_KEY_SIZE], struct sender *ret_sender)
{
	static const struct span mark = SPAN_LIT("; sign=");
	size_t at = span_find(text, mark);
	struct span signed_text = span_head(text, at), signature = span_skip(text, at + mark.len),
		    rest = signed_text;
	char hex[2 * DIGEST_SIZE + 1];

	if (at == SIZE_MAX || signature.len != 2 * DIGEST_SIZE)
		return -POD_E_DENIED;
	sign(signed_text, key, hex);
	if (CRYPTO_memcmp(hex, signature.p, signature.len) != 0)
		return -POD_E_DENIED;
	ret_sender->n = 0;
	while (rest.p)
		take_part(ret_sender, span_trim(span_split(rest, ';', &rest)));
	return 0;
}

int source_read(struct span header, const uint8_t key[SOURCE_KEY_SIZE], struct sender *ret_sender)
{
	struct mime_field f;
	char buf[FIELD_MAX];

	if (!mime_field_find(header, SPAN_LIT(SOURCE_FIELD), &f))
		return -POD_E_NOTFOUND;
	return read_value(without_folds(f.value, buf, sizeof(buf)), key, ret_sender);
}
