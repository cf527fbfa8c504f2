#include "mta/srs/srs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define SECRETS_MAX 8
#define SECRET_MIN 16
#define HASH_LEN 8 /* letters of 5 bits: 40 bits that cannot be tried but against us */
#define DAY_S 86400
#define DAYS_WRAP 1024 /* two letters of 5 bits */
#define PATH_MAX_LEN 254 /* RFC 5321 4.5.3.1.3, without the brackets */

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

struct srs {
	size_t n;
	struct span secrets[SECRETS_MAX]; /* into text */
	size_t len;
	uint8_t text[];
};

int srs_create(struct span text, struct srs **ret_srs, struct err *err)
{
	struct srs *s = calloc(1, sizeof(*s) + text.len);
	struct span rest;

	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for secrets");
	memcpy(s->text, text.p, text.len);
	s->len = text.len;
	rest = span_make(s->text, text.len);
	while (rest.p && s->n < SECRETS_MAX) {
		struct span line = span_trim(span_split(rest, '\n', &rest));

		if (line.len && line.len < SECRET_MIN) {
			(void) srs_free(s);
			return err_set(err, POD_E_CONFIG, "a secret is shorter than %d bytes", SECRET_MIN);
		}
		if (line.len)
			s->secrets[s->n++] = line;
	}
	if (!s->n) {
		(void) srs_free(s);
		return err_set(err, POD_E_CONFIG, "there is no secret");
	}
	*ret_srs = s;
	return 0;
}

struct srs *srs_free(struct srs *s)
{
	if (s)
		OPENSSL_cleanse(s->text, s->len);
	free(s);
	return NULL;
}

/* Domains and local parts count without regard to the case of ASCII letters, as those on the way see them. */
static void add_lower(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(b, ascii_lower(s.p[i]));
	buf_add_byte(b, '\0');
}

/* Of the parts in their order; each ends with a NUL, so that none can be taken for another's end. */
static int hash(struct span secret, const struct span *parts, size_t n, char out[HASH_LEN + 1])
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	for (size_t i = 0; i < n; i++)
		add_lower(&b, parts[i]);
	if (b.failed || !HMAC(EVP_sha256(), secret.p, (int) secret.len, b.p, b.len, mac, &len))
		return -POD_E_NOMEM;
	for (size_t i = 0; i < HASH_LEN; i++)
		out[i] = letters[mac[i] & 31];
	out[HASH_LEN] = '\0';
	return 0;
}

static bool same_letters(struct span given, const char *wanted)
{
	uint8_t lower[HASH_LEN];

	if (given.len != HASH_LEN)
		return false;
	for (size_t i = 0; i < HASH_LEN; i++)
		lower[i] = ascii_lower(given.p[i]);
	return CRYPTO_memcmp(lower, wanted, HASH_LEN) == 0;
}

static int check(const struct srs *s, struct span given, const struct span *parts, size_t n, struct err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		char wanted[HASH_LEN + 1];
		int r = hash(s->secrets[i], parts, n, wanted);

		if (r < 0)
			return err_set(err, POD_E_NOMEM, "no memory for a hash");
		if (same_letters(given, wanted))
			return 0;
	}
	return err_set(err, POD_E_DENIED, "a rewritten address that we did not make");
}

/* ---- days ---- */

static void format_day(int64_t now_s, char out[3])
{
	unsigned int day = (unsigned int) (now_s / DAY_S % DAYS_WRAP);

	out[0] = letters[day >> 5];
	out[1] = letters[day & 31];
	out[2] = '\0';
}

static int letter_value(uint8_t c)
{
	const char *at = c ? strchr(letters, ascii_lower(c)) : NULL;

	return at ? (int) (at - letters) : -1;
}

/* How many days ago; -1: it is no day. Clocks of front ends may differ, so that tomorrow is today. */
static int days_since(struct span day, int64_t now_s)
{
	int high = day.len == 2 ? letter_value(day.p[0]) : -1, low = day.len == 2 ? letter_value(day.p[1]) : -1;
	int then = high * 32 + low, now = (int) (now_s / DAY_S % DAYS_WRAP), age;

	if (high < 0 || low < 0)
		return -1;
	age = (now - then + DAYS_WRAP) % DAYS_WRAP;
	return age == DAYS_WRAP - 1 ? 0 : age;
}

/* ---- addresses ---- */

/* "SRS0" or "SRS1" and a separator; what is behind it in *ret_rest. */
static char kind_of(struct span local, struct span *ret_rest)
{
	if (local.len < 5 || !span_starts_nocase(local, SPAN_LIT("SRS")) || !memchr("=-+", local.p[4], 3))
		return '\0';
	*ret_rest = span_skip(local, 5);
	return local.p[3] == '0' || local.p[3] == '1' ? (char) local.p[3] : '\0';
}

bool srs_is(const struct address *address)
{
	struct span rest;

	return kind_of(address->local, &rest) != '\0';
}

static int finish(struct arena *a, struct buf *local, struct span domain, struct address *ret, struct err *err)
{
	struct address address = { .domain = domain };

	if (local->failed)
		return err_set(err, POD_E_NOMEM, "no memory for an address");
	if (local->len + 1 + domain.len > PATH_MAX_LEN)
		return err_set(err, POD_E_LIMIT, "the rewritten address would be too long");
	address.local = arena_dup(a, buf_span(local));
	if (!address.local.p)
		return err_set(err, POD_E_NOMEM, "no memory for an address");
	*ret = address;
	return 0;
}

static void add_parts(struct buf *local, const char *kind, const struct span *parts, size_t n)
{
	buf_add_str(local, kind);
	for (size_t i = 0; i < n; i++) {
		buf_add_byte(local, '=');
		buf_add(local, parts[i]);
	}
}

/* SRS1: the first forwarder, and what it put behind its SRS0; those in between are left out. */
static int forward_again(const struct srs *s, struct arena *a, struct span first, struct span rest, struct span ours,
                         struct address *ret, struct err *err)
{
	_cleanup_buf_ struct buf local = BUF_INIT;
	char h[HASH_LEN + 1];

	if (hash(s->secrets[0], (const struct span[]){ first, rest }, 2, h) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for a hash");
	add_parts(&local, "SRS1", (const struct span[]){ span_of(h), first, rest }, 3);
	return finish(a, &local, ours, ret, err);
}

int srs_forward(const struct srs *s, struct arena *a, const struct address *sender, struct span ours, int64_t now_s,
                struct address *ret_address, struct err *err)
{
	_cleanup_buf_ struct buf local = BUF_INIT;
	struct span rest, first;
	char day[3], h[HASH_LEN + 1], kind = kind_of(sender->local, &rest);

	if (kind == '0') /* with its separator */
		return forward_again(s, a, sender->domain, span_skip(sender->local, 4), ours, ret_address, err);
	if (kind == '1') {
		(void) span_split(rest, '=', &rest); /* his hash */
		first = span_split(rest, '=', &rest);
		if (first.len && rest.len)
			return forward_again(s, a, first, rest, ours, ret_address, err);
	}
	format_day(now_s, day);
	if (hash(s->secrets[0], (const struct span[]){ span_of(day), sender->domain, sender->local }, 3, h) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for a hash");
	add_parts(&local, "SRS0", (const struct span[]){ span_of(h), span_of(day), sender->domain, sender->local }, 4);
	return finish(a, &local, ours, ret_address, err);
}

static int reverse_first(const struct srs *s, struct arena *a, struct span rest, int64_t now_s, struct address *ret,
                         struct err *err)
{
	struct span h = span_split(rest, '=', &rest), day = span_split(rest, '=', &rest);
	struct span domain = span_split(rest, '=', &rest);
	struct address found = { rest, domain };
	int age = days_since(day, now_s), r;

	if (!rest.len || !domain.len || age < 0)
		return err_set(err, POD_E_SYNTAX, "a rewritten address without its parts");
	r = check(s, h, (const struct span[]){ day, domain, rest }, 3, err);
	if (r < 0)
		return r;
	if (age > SRS_DAYS_MAX)
		return err_set(err, POD_E_TIMEOUT, "a rewritten address that is %d days old", age);
	found = (struct address){ arena_dup(a, rest), arena_dup(a, domain) };
	if (!found.local.p || !found.domain.p)
		return err_set(err, POD_E_NOMEM, "no memory for an address");
	*ret = found;
	return 0;
}

static int reverse_again(const struct srs *s, struct arena *a, struct span rest, struct address *ret, struct err *err)
{
	_cleanup_buf_ struct buf local = BUF_INIT;
	struct span h = span_split(rest, '=', &rest), first = span_split(rest, '=', &rest);
	int r;

	if (!first.len || !rest.len || !memchr("=-+", rest.p[0], 3))
		return err_set(err, POD_E_SYNTAX, "a rewritten address without its parts");
	r = check(s, h, (const struct span[]){ first, rest }, 2, err);
	if (r < 0)
		return r;
	buf_add_str(&local, "SRS0");
	buf_add(&local, rest);
	first = arena_dup(a, first);
	return first.p ? finish(a, &local, first, ret, err) : err_set(err, POD_E_NOMEM, "no memory for an address");
}

int srs_reverse(const struct srs *s, struct arena *a, const struct address *address, int64_t now_s,
                struct address *ret_sender, struct err *err)
{
	struct span rest;

	switch (kind_of(address->local, &rest)) {
	case '0': return reverse_first(s, a, rest, now_s, ret_sender, err);
	case '1': return reverse_again(s, a, rest, ret_sender, err);
	default:  return err_set(err, POD_E_SYNTAX, "no rewritten address");
	}
}
