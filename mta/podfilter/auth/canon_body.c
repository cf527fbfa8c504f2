/* The body half of canon.h (RFC 6376 3.4.3 and 3.4.4). */
#include "mta/podfilter/auth/canon.h"

int canon_body_init(struct canon_body *b, enum canon canon, struct err *err)
{
	*b = (struct canon_body){ .canon = canon, .digest = EVP_MD_CTX_new() };
	if (!b->digest || EVP_DigestInit_ex(b->digest, EVP_sha256(), NULL) != 1) {
		canon_body_done(b);
		return err_set(err, POD_E_NOMEM, "SHA-256");
	}
	return 0;
}

static void flush(struct canon_body *b)
{
	if (b->n && EVP_DigestUpdate(b->digest, b->out, b->n) != 1)
		b->failed = true;
	b->n = 0;
}

static void put(struct canon_body *b, uint8_t c)
{
	if (b->n == sizeof(b->out))
		flush(b);
	b->out[b->n++] = c;
}

static void put_line_end(struct canon_body *b)
{
	put(b, '\r');
	put(b, '\n');
}

static void put_content(struct canon_body *b, uint8_t c)
{
	for (; b->empty_lines; b->empty_lines--)
		put_line_end(b);
	if (b->blank)
		put(b, ' ');
	b->blank = false;
	b->started = true;
	put(b, c);
}

static void add_byte(struct canon_body *b, uint8_t c)
{
	if (b->cr) {
		b->cr = false;
		if (c == '\n') {
			b->blank = false; /* white space at a line's end goes, in relaxed; in simple it was
			                     content */
			b->empty_lines++;
			return;
		}
		put_content(b, '\r');
	}
	if (c == '\r')
		b->cr = true;
	else if (b->canon == CANON_RELAXED && (c == ' ' || c == '\t'))
		b->blank = true;
	else
		put_content(b, c);
}

void canon_body_add(struct canon_body *b, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		add_byte(b, bytes.p[i]);
}

int canon_body_end(struct canon_body *b, uint8_t hash[CANON_HASH_SIZE], struct err *err)
{
	if (b->cr)
		put_content(b, '\r');
	/* an empty body is CRLF in simple (3.4.3) and nothing at all in relaxed (3.4.4) */
	if (b->started || b->canon == CANON_SIMPLE)
		put_line_end(b);
	flush(b);
	if (b->failed || EVP_DigestFinal_ex(b->digest, hash, NULL) != 1)
		return err_set(err, POD_E_INTERNAL, "SHA-256");
	return 0;
}

void canon_body_done(struct canon_body *b)
{
	EVP_MD_CTX_free(b->digest);
	b->digest = NULL;
}
