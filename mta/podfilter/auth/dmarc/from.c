/* Whose domain a message claims to be from. */
#include <idn2.h>
#include <string.h>

#include "mime/address.h"
#include "mime/header.h"
#include "mta/podfilter/auth/dmarc/dmarc.h"

/* In the form that the DNS has: lower case, international names as xn--. */
static const char *ascii_domain(struct arena *a, struct span domain)
{
	const char *text = arena_str(a, domain);
	char *ascii = NULL;
	const char *copy;

	if (!text || idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return NULL;
	copy = arena_str(a, span_of(ascii));
	idn2_free(ascii);
	for (char *p = (char *) (uintptr_t) copy; p && *p; p++)
		*p = (char) ascii_lower((uint8_t) *p);
	return copy;
}

static int one_domain(struct arena *a, struct span value, const char **ret_domain, struct err *err)
{
	struct address_list list;
	const char *found = NULL;
	int r = address_list_parse(a, mime_unfold(a, value), &list);

	if (r < 0)
		return err_set(err, (enum pod_error) - r, "From");
	for (size_t i = 0; i < list.n; i++) {
		const char *domain;

		if (list.entries[i].kind != ADDRESS_MAILBOX)
			continue;
		domain = list.entries[i].domain.len ? ascii_domain(a, list.entries[i].domain) : NULL;
		if (!domain || !strchr(domain, '.') || !dns_name_is_valid(domain))
			return err_set(err, POD_E_SYNTAX, "From has an address without a domain");
		if (found && strcmp(found, domain) != 0)
			return err_set(err, POD_E_SYNTAX, "From names several domains");
		found = domain;
	}
	if (!found)
		return err_set(err, POD_E_SYNTAX, "From has no address");
	*ret_domain = found;
	return 0;
}

int dmarc_from_domain(struct arena *a, const struct fields *fields, const char **ret_domain, struct err *err)
{
	size_t pos = 0;
	const struct field *from = fields_next(fields, "From", &pos);

	if (!from)
		return err_set(err, POD_E_SYNTAX, "there is no From");
	if (fields_next(fields, "From", &pos))
		return err_set(err, POD_E_SYNTAX, "there are several From fields");
	return one_domain(a, from->value, ret_domain, err);
}
