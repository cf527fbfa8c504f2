/*
 * A span is a borrowed run of bytes: a pointer and a length, never NUL-terminated by promise.
 * It owns nothing; what it points at must outlive it. All functions here are pure and thread-safe.
 */
#ifndef POD_BASE_SPAN_H
#define POD_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t len;
};

#define SPAN_NONE ((struct span){ NULL, 0 })
/* For string literals only: the length is a constant. */
#define SPAN_LIT(s) ((struct span){ (const uint8_t *) ("" s), sizeof(s) - 1 })
/* For printf's "%.*s". */
#define SPAN_FMT "%.*s"
#define SPAN_ARG(s) (int) (s).len, (const char *) (s).p

static inline struct span span_of(const char *s)
{
	return (struct span){ (const uint8_t *) s, s ? strlen(s) : 0 };
}

static inline struct span span_make(const void *p, size_t len)
{
	return (struct span){ p, len };
}

/* The part from `from` on; empty when `from` is past the end. */
static inline struct span span_skip(struct span s, size_t from)
{
	if (from > s.len)
		from = s.len;
	return (struct span){ s.p ? s.p + from : NULL, s.len - from };
}

/* The first `len` bytes, or all where there are fewer. */
static inline struct span span_head(struct span s, size_t len)
{
	return (struct span){ s.p, len < s.len ? len : s.len };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Compare ignoring the case of ASCII letters only, whatever the locale. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, struct span prefix);

/* Order as memcmp does, the shorter first where one is the start of the other. */
int span_cmp(struct span a, struct span b);

/* Index of the first byte `c`, or SIZE_MAX. */
size_t span_find_byte(struct span s, uint8_t c);
/* Index of the first occurrence of `needle`, or SIZE_MAX; the second form ignores ASCII case. */
size_t span_find(struct span s, struct span needle);
size_t span_find_nocase(struct span s, struct span needle);

/* Without leading and trailing space, tab, CR and LF. */
struct span span_trim(struct span s);

/*
 * Splits at the first `c`: returns what is before it and leaves in *rest what is after it.
 * Without a `c`, returns the whole and leaves *rest empty with a NULL pointer.
 */
struct span span_split(struct span s, uint8_t c, struct span *rest);

/*
 * A decimal number filling the whole span, no sign, no space. Returns 0, or -POD_E_SYNTAX where it is
 * empty, has another character or does not fit; *ret_value is then untouched.
 */
int span_to_u64(struct span s, uint64_t *ret_value);
int span_to_u32(struct span s, uint32_t *ret_value);

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

static inline uint8_t ascii_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t) (c & ~0x20) : c;
}

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(uint8_t c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* Of a hexadecimal digit; -1: it is none. */
static inline int ascii_hex_value(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that two hexadecimal digits at p say; -1: they are none. */
static inline int ascii_hex_pair(const uint8_t *p)
{
	int high = ascii_hex_value(p[0]), low = high >= 0 ? ascii_hex_value(p[1]) : -1;

	return low >= 0 ? high << 4 | low : -1;
}

#endif
