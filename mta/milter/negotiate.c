#include "mta/milter/negotiate.h"

#include <assert.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include "base/cleanup.h"
#include "mta/milter/packet.h"

struct bit {
	uint32_t bit;
	unsigned int since; /* protocol version */
	const char *name;
};

/* clang-format off */
static const struct bit actions[] = {
	{ SMFIF_ADDHDRS,     2, "add-header" },
	{ SMFIF_CHGBODY,     2, "replace-body" },
	{ SMFIF_ADDRCPT,     2, "add-rcpt" },
	{ SMFIF_DELRCPT,     2, "delete-rcpt" },
	{ SMFIF_CHGHDRS,     2, "change-header" },
	{ SMFIF_QUARANTINE,  2, "quarantine" },
	{ SMFIF_CHGFROM,     6, "change-sender" },
	{ SMFIF_ADDRCPT_PAR, 6, "add-rcpt-args" },
	{ SMFIF_SETSYMLIST,  6, "set-macros" },
};
static const struct bit steps[] = {
	{ SMFIP_NOCONNECT,   2, "no-connect" },
	{ SMFIP_NOHELO,      2, "no-helo" },
	{ SMFIP_NOMAIL,      2, "no-mail" },
	{ SMFIP_NORCPT,      2, "no-rcpt" },
	{ SMFIP_NOBODY,      2, "no-body" },
	{ SMFIP_NOHDRS,      2, "no-headers" },
	{ SMFIP_NOEOH,       2, "no-eoh" },
	{ SMFIP_NOUNKNOWN,   3, "no-unknown" },
	{ SMFIP_NODATA,      4, "no-data" },
	{ SMFIP_NR_HDR,      6, "no-reply-header" },
	{ SMFIP_SKIP,        6, "skip" },
	{ SMFIP_RCPT_REJ,    6, "rejected-rcpts" },
	{ SMFIP_NR_CONN,     6, "no-reply-connect" },
	{ SMFIP_NR_HELO,     6, "no-reply-helo" },
	{ SMFIP_NR_MAIL,     6, "no-reply-mail" },
	{ SMFIP_NR_RCPT,     6, "no-reply-rcpt" },
	{ SMFIP_NR_DATA,     6, "no-reply-data" },
	{ SMFIP_NR_UNKN,     6, "no-reply-unknown" },
	{ SMFIP_NR_EOH,      6, "no-reply-eoh" },
	{ SMFIP_NR_BODY,     6, "no-reply-body" },
	{ SMFIP_HDR_LEADSPC, 6, "leading-space" },
};
/* clang-format on */

static uint32_t bits_of(const struct bit *bits, size_t n, unsigned int protocol)
{
	uint32_t all = 0;

	for (size_t i = 0; i < n; i++)
		if (bits[i].since <= protocol)
			all |= bits[i].bit;
	return all;
}

void milter_offer(struct buf *out, unsigned int protocol)
{
	size_t at = milter_packet_begin(out, SMFIC_OPTNEG);

	milter_put_u32(out, protocol);
	milter_put_u32(out, bits_of(actions, ARRAY_SIZE(actions), protocol));
	milter_put_u32(out, bits_of(steps, ARRAY_SIZE(steps), protocol));
	milter_packet_end(out, at);
}

/* *( stage (4 bytes) list NUL ), behind the three numbers. */
static int parse_symbols(struct arena *a, struct span data, struct milter_terms *t, struct err *err)
{
	while (data.len) {
		struct span list;
		uint32_t stage;

		if (!milter_get_u32(&data, &stage) || stage >= MILTER_SYMBOL_LISTS ||
		    !milter_get_text(&data, &list))
			return err_set(err, POD_E_PROTOCOL, "a malformed list of macros");
		t->symbols[stage] = arena_str(a, list);
		if (!t->symbols[stage])
			return err_set(err, POD_E_NOMEM, "no memory for a milter's lists of macros");
	}
	return 0;
}

int milter_terms_parse(struct arena *a, struct span data, unsigned int protocol,
                       struct milter_terms *ret_terms, struct err *err)
{
	struct milter_terms t = { 0 };
	uint32_t version;
	int r;

	if (!milter_get_u32(&data, &version) || !milter_get_u32(&data, &t.actions) ||
	    !milter_get_u32(&data, &t.steps))
		return err_set(err, POD_E_PROTOCOL, "a negotiation that is too short");
	if (version < MILTER_PROTOCOL_MIN || version > protocol)
		return err_set(err, POD_E_VERSION,
		               "it speaks version %u of the protocol; %u to %u were offered", version,
		               MILTER_PROTOCOL_MIN, protocol);
	if (t.actions & ~bits_of(actions, ARRAY_SIZE(actions), protocol))
		return err_set(err, POD_E_PROTOCOL, "it wants actions that were not offered (0x%x)",
		               t.actions);
	if (t.steps & ~bits_of(steps, ARRAY_SIZE(steps), protocol))
		return err_set(err, POD_E_PROTOCOL, "it wants protocol steps that were not offered (0x%x)",
		               t.steps);
	t.version = version;
	r = parse_symbols(a, data, &t, err);
	if (r == 0)
		*ret_terms = t;
	return r;
}

bool milter_terms_change_content(const struct milter_terms *t)
{
	return t->actions & (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY);
}

bool milter_terms_want_refused(const struct milter_terms *t)
{
	return t->steps & SMFIP_RCPT_REJ;
}

bool milter_terms_leading_space(const struct milter_terms *t)
{
	return t->steps & SMFIP_HDR_LEADSPC;
}

bool milter_terms_want(const struct milter_terms *t, enum milter_stage stage)
{
	return milter_stages[stage].since <= t->version && !(t->steps & milter_stages[stage].unwanted);
}

bool milter_terms_answer(const struct milter_terms *t, enum milter_stage stage)
{
	return !(t->steps & milter_stages[stage].unanswered);
}

static size_t names_of(const struct bit *bits, size_t n, uint32_t set, const char *names[MILTER_NAMES_MAX])
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (set & bits[i].bit)
			names[found++] = bits[i].name;
	return found;
}

size_t milter_terms_actions(const struct milter_terms *t, const char *names[MILTER_NAMES_MAX])
{
	static_assert(ARRAY_SIZE(actions) <= MILTER_NAMES_MAX, "names of all actions have room");
	return names_of(actions, ARRAY_SIZE(actions), t->actions, names);
}

size_t milter_terms_steps(const struct milter_terms *t, const char *names[MILTER_NAMES_MAX])
{
	static_assert(ARRAY_SIZE(steps) <= MILTER_NAMES_MAX, "names of all steps have room");
	return names_of(steps, ARRAY_SIZE(steps), t->steps, names);
}

const char *milter_symbols_name(size_t list)
{
	static const char *const names[MILTER_SYMBOL_LISTS] = {
		[SMFIM_CONNECT] = "connect", [SMFIM_HELO] = "helo", [SMFIM_ENVFROM] = "mail",
		[SMFIM_ENVRCPT] = "rcpt",    [SMFIM_DATA] = "data", [SMFIM_EOM] = "end",
		[SMFIM_EOH] = "eoh",
	};

	return names[list];
}
