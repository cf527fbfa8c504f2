/*
 * The terms a client sets for a message's way on: not before (FUTURERELEASE, RFC 4865), not after (DELIVERBY,
 * RFC 2852), how urgent (MT-PRIORITY, RFC 6710), and only over TLS (REQUIRETLS, RFC 8689).
 */

#include "mime/date.h"
#include "mta/smtp/internal.h"

#define INTERVAL_DIGITS 9 /* RFC 4865 and RFC 2852 */

/* future-release-integer = 1*9DIGIT */
int smtp_param_holdfor(struct span v, struct smtp_params *p)
{
	return v.len <= INTERVAL_DIGITS && span_to_u32(v, &p->hold_for_s) == 0 && p->hold_for_s
	               ? 0
	               : -POD_E_SYNTAX;
}

int smtp_param_holduntil(struct span v, struct smtp_params *p)
{
	struct mail_date d;

	if (date_parse_rfc3339(v, &d) < 0 || d.unix_s <= 0)
		return -POD_E_SYNTAX;
	p->hold_until_s = d.unix_s;
	return 0;
}

/* by-value = ["+" / "-"] 1*9DIGIT ";" ("N" / "R") ["T"] */
int smtp_param_by(struct span v, struct smtp_params *p)
{
	bool negative = v.len && *v.p == '-';
	struct span mode, number = span_split(v, ';', &mode);
	uint32_t s;

	if (v.len && (*v.p == '-' || *v.p == '+'))
		number = span_skip(number, 1);
	if (number.len > INTERVAL_DIGITS || span_to_u32(number, &s) < 0 || !mode.len)
		return -POD_E_SYNTAX;
	p->by_s = negative ? -(int32_t) s : (int32_t) s;
	p->by = ascii_upper(*mode.p) == 'R' ? SMTP_BY_RETURN : SMTP_BY_NOTIFY;
	p->by_trace = mode.len == 2;
	if (!strchr("NR", ascii_upper(*mode.p)) || mode.len > 2 ||
	    (mode.len == 2 && ascii_upper(mode.p[1]) != 'T'))
		return -POD_E_SYNTAX;
	/* RFC 2852 section 4: nothing can be returned before it came. */
	return p->by == SMTP_BY_RETURN && p->by_s <= 0 ? -POD_E_SYNTAX : 0;
}

/* priority-value = ["-"] DIGIT */
int smtp_param_priority(struct span v, struct smtp_params *p)
{
	bool negative = v.len && *v.p == '-';
	struct span digit = span_skip(v, negative ? 1 : 0);

	if (digit.len != 1 || !ascii_is_digit(*digit.p))
		return -POD_E_SYNTAX;
	p->priority = (negative ? -1 : 1) * (*digit.p - '0');
	p->has_priority = true;
	return 0;
}

int smtp_param_requiretls(struct span v, struct smtp_params *p)
{
	p->require_tls = true;
	return v.p ? -POD_E_SYNTAX : 0;
}

static bool offers_hold(const struct smtp_session *s)
{
	return s->set->service == SMTP_SERVICE_SUBMISSION && s->set->future_release_max_s;
}

void smtp_terms_offer(struct smtp_session *s)
{
	char latest[DATE_RFC3339_SIZE];

	buf_add_str(s->out, "250-DELIVERBY\r\n250-MT-PRIORITY\r\n");
	if (offers_hold(s))
		buf_printf(
			s->out, "250-FUTURERELEASE %u %s\r\n", s->set->future_release_max_s,
			date_format_rfc3339(s->now_s + s->set->future_release_max_s, latest, sizeof(latest)));
	if (*s->tls)
		buf_add_str(s->out, "250-REQUIRETLS\r\n");
}

/* A time that has passed already holds nothing back. */
static int apply_hold(struct smtp_session *s, const struct smtp_params *p, struct smtp_status *ret_status)
{
	int64_t until = p->hold_for_s ? s->now_s + p->hold_for_s : p->hold_until_s;

	if (!until)
		return 0;
	if (!offers_hold(s))
		*ret_status = (struct smtp_status){ 555, "5.5.4", "FUTURERELEASE is not offered" };
	else if (p->hold_for_s && p->hold_until_s)
		*ret_status =
			(struct smtp_status){ 501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other" };
	else if (until > s->now_s + s->set->future_release_max_s)
		*ret_status =
			(struct smtp_status){ 501, "5.5.4", "That is longer than messages are held here" };
	else {
		s->mail.hold_until_s = until > s->now_s ? until : 0;
		return 0;
	}
	return -POD_E_DENIED;
}

/* RFC 8689 4.2.1: it can be asked for only where this hop is safe too. */
static int apply_tls(struct smtp_session *s, const struct smtp_params *p, struct smtp_status *ret_status)
{
	if (p->require_tls && !*s->tls) {
		*ret_status = (struct smtp_status){ 530, "5.7.10", "REQUIRETLS needs TLS" };
		return -POD_E_DENIED;
	}
	s->mail.require_tls = p->require_tls;
	return 0;
}

/* RFC 6710 5.2, RFC 3463's X.3.6: a stranger may stand back, but not push; the reply names what was granted.
 */
static void apply_priority(struct smtp_session *s, const struct smtp_params *p,
                           struct smtp_status *ret_status)
{
	int highest = *s->user ? s->set->priority_user_max : 0;
	char *text;

	s->mail.priority = p->priority < highest ? p->priority : highest;
	if (p->priority <= highest)
		return;
	text = arena_printf(s->scratch, "%d is the new priority assigned to the message", highest);
	*ret_status = (struct smtp_status){ 250, "2.3.6", text ? text : "The priority was lowered" };
}

int smtp_terms_apply(struct smtp_session *s, const struct smtp_params *p, struct smtp_status *ret_status)
{
	struct smtp_mail *m = &s->mail;
	int r = apply_hold(s, p, ret_status);

	if (r == 0)
		r = apply_tls(s, p, ret_status);
	if (r < 0)
		return r;
	m->by = p->by;
	m->by_at_s = p->by ? s->now_s + p->by_s : 0;
	m->by_trace = p->by_trace;
	*ret_status = (struct smtp_status){ 250, "2.1.0", "Sender ok" };
	apply_priority(s, p, ret_status);
	return 0;
}
