/* An envelope that filters change, by the rules of MAIL and RCPT. */
#include "mta/smtp/internal.h"

static int take_params(struct span text, unsigned int of, struct smtp_params *ret_params, struct err *err)
{
	struct smtp_status status;

	if (smtp_params_parse(text, of, ret_params, &status) < 0)
		return err_set(err, POD_E_SYNTAX, "%s", status.text);
	return 0;
}

int smtp_mail_set_sender(struct smtp_mail *m, struct span path, struct span params, struct err *err)
{
	struct smtp_params p;
	struct address sender;
	struct span address;
	int r = take_params(params, PARAMS_OF_MAIL, &p, err);

	if (r == 0)
		r = address_parse_path(m->arena, path, m->utf8 || p.utf8, &sender, err);
	if (r == 0 && sender.local.len && !sender.domain.len)
		r = err_set(err, POD_E_SYNTAX, "a sender needs a domain");
	if (r < 0)
		return r;
	address = sender.local.len ? address_format(m->arena, &sender) : SPAN_LIT("");
	if (!address.p)
		return err_set(err, POD_E_NOMEM, "no memory for a sender");
	m->sender = address;
	if (p.envid.len)
		m->envid = arena_dup(m->arena, p.envid);
	if (p.ret != SMTP_RET_UNSAID)
		m->ret = p.ret;
	return 0;
}

int smtp_mail_add_rcpt(struct smtp_mail *m, struct span path, struct span params, struct smtp_rcpt **ret_rcpt,
                       struct err *err)
{
	struct smtp_params p;
	int r = take_params(params, PARAMS_OF_RCPT, &p, err);

	return r < 0 ? r : smtp_rcpt_make(m, path, &p, ret_rcpt, err);
}

/* Those of one mailbox name are the same whatever case they were written in. */
size_t smtp_mail_delete_rcpt(struct smtp_mail *m, struct span path)
{
	struct address address;
	struct span key = SPAN_NONE;
	size_t kept = 0, before = m->n_rcpts;

	if (address_parse_path(m->arena, path, true, &address, NULL) == 0)
		key = address_key(m->arena, &address);
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!key.p || !span_eq(m->rcpts[i]->key, key))
			m->rcpts[kept++] = m->rcpts[i];
	m->n_rcpts = kept;
	return before - kept;
}
