#include "mta/milter/macros.h"

#include <libmilter/mfdef.h>

#include "base/cleanup.h"
#include "mta/milter/packet.h"

struct macro {
	const char *name;
	size_t offset;
};
#define MACRO(name, field)                                 \
	{                                                  \
		name, offsetof(struct milter_facts, field) \
	}

/* clang-format off */
static const struct macro macros[] = {
	MACRO("j", hostname),
	MACRO("v", version),
	MACRO("_", client),
	MACRO("i", trace),
	MACRO("r", protocol),
	MACRO("s", helo),
	MACRO("b", date),
	MACRO("{client_name}", client_name),
	MACRO("{client_addr}", client_addr),
	MACRO("{client_port}", client_port),
	MACRO("{client_ptr}", client_ptr),
	MACRO("{client_resolve}", client_resolve),
	MACRO("{daemon_name}", daemon_name),
	MACRO("{daemon_addr}", daemon_addr),
	MACRO("{daemon_port}", daemon_port),
	MACRO("{if_name}", if_name),
	MACRO("{if_addr}", if_addr),
	MACRO("{tls_version}", tls_version),
	MACRO("{cipher}", cipher),
	MACRO("{cipher_bits}", cipher_bits),
	MACRO("{cert_subject}", cert_subject),
	MACRO("{cert_issuer}", cert_issuer),
	MACRO("{auth_type}", auth_type),
	MACRO("{auth_authen}", auth_authen),
	MACRO("{auth_author}", auth_author),
	MACRO("{mail_addr}", mail_addr),
	MACRO("{mail_host}", mail_host),
	MACRO("{mail_mailer}", mail_mailer),
	MACRO("{rcpt_addr}", rcpt_addr),
	MACRO("{rcpt_host}", rcpt_host),
	MACRO("{rcpt_mailer}", rcpt_mailer),
	MACRO("{nrcpts}", n_rcpts),
	MACRO("{nbadrcpts}", n_bad_rcpts),
	MACRO("{msg_id}", msg_id),
};
/* clang-format on */

/* The next name of a list, which milters separate by blanks or commas. */
static struct span next_name(struct span *list)
{
	size_t n = 0;
	struct span name;

	while (list->len && strchr(" ,\t", *list->p))
		*list = span_skip(*list, 1);
	while (n < list->len && !strchr(" ,\t", list->p[n]))
		n++;
	name = span_head(*list, n);
	*list = span_skip(*list, n);
	return name;
}

/* A name of more than one letter may come with or without its braces. */
static bool is_named(const struct macro *m, struct span name)
{
	struct span full = span_of(m->name);

	if (span_eq(full, name))
		return true;
	return full.len > 2 && span_eq(span_make(full.p + 1, full.len - 2), name);
}

static const char *value_of(struct span name, const struct milter_facts *facts, const char **ret_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(macros); i++)
		if (is_named(&macros[i], name)) {
			*ret_name = macros[i].name;
			return *(const char *const *) (const void *) ((const char *) facts +
			                                              macros[i].offset);
		}
	return NULL;
}

static const char *list_of(enum milter_stage stage, const struct milter_terms *terms)
{
	const struct milter_stage_info *info = &milter_stages[stage];

	return info->symbols >= 0 && terms->symbols[info->symbols] ? terms->symbols[info->symbols]
	                                                           : info->macros;
}

void milter_macros_add(struct buf *out, enum milter_stage stage, const struct milter_terms *terms,
                       const struct milter_facts *facts)
{
	struct span list = span_of(list_of(stage, terms)), name;
	size_t before = out->len, at = milter_packet_begin(out, SMFIC_MACRO), empty;

	buf_add_byte(out, milter_stages[stage].letter);
	empty = out->len;
	while ((name = next_name(&list)).len) {
		const char *full, *value = value_of(name, facts, &full);

		if (!value || !*value)
			continue;
		milter_put_text(out, span_of(full));
		milter_put_text(out, span_of(value));
	}
	milter_packet_end(out, at);
	if (out->len == empty && !out->failed)
		out->len = before;
}
