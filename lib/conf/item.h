/*
 * One option as a row. From it follow what is accepted, where it is kept, and what `podctl config` and
 * podmail.conf(5) say. The macros name a struct, its field and the values as one would write them in the
 * file; the option's name is the field's (a duration's field has _ms behind it).
 */
#ifndef POD_CONF_ITEM_H
#define POD_CONF_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "conf/conf.h"

enum conf_type {
	CONF_TYPE_STRING,  /* const char * */
	CONF_TYPE_PATH,    /* const char * */
	CONF_TYPE_LIST,    /* const char *, comma separated */
	CONF_TYPE_COUNT,   /* unsigned int */
	CONF_TYPE_SIZE,    /* uint64_t bytes */
	CONF_TYPE_TIME,    /* uint64_t milliseconds */
	CONF_TYPE_BOOL,    /* bool */
	CONF_TYPE_CHOICE,  /* an enum */
	CONF_TYPE_RECORDS, /* struct conf_records: blocks with options of their own */
	CONF_TYPES
};

/* What a text has to be beyond its type: 0, or -POD_E_SYNTAX with what is expected instead in words. */
typedef int conf_check_fn(struct span value, struct err *err);
conf_check_fn conf_check_name, conf_check_user, conf_check_domain, conf_check_domain_or_empty,
	conf_check_host, conf_check_listen, conf_check_network, conf_check_dns_server, conf_check_dns_stub,
	conf_check_dns_name, conf_check_tls_domain, conf_check_weight, conf_check_dns_list, conf_check_extension,
	conf_check_http_url_or_empty, conf_check_peer_or_empty, conf_check_address_or_empty,
	conf_check_milter_socket;

struct conf_item {
	const char *name, *default_text, *lowest, *highest, *help;
	const char *derived;        /* what an empty default stands for, in words; may be NULL */
	const char *const *choices; /* by value, NULL behind the last */
	conf_check_fn *check;
	const struct conf_item *fields; /* of CONF_TYPE_RECORDS: what one block may say */
	size_t n_fields, record_size;
	size_t offset; /* in the section's struct */
	enum conf_type type;
	bool lower_case;
};

struct conf_section {
	const char *name, *help;
	size_t offset; /* in struct conf */
	const struct conf_item *items;
	size_t n;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): the arguments are initialisers and names */

/* The field's offset; does not compile where the field has another type. */
#define CONF_AT(section, field, c_type) \
	.offset = _Generic(((struct section *) 0)->field, c_type : offsetof(struct section, field))

#define CONF_STRING(section, field, default_, check_, help_)                                     \
	{                                                                                        \
		.name = #field, .type = CONF_TYPE_STRING, CONF_AT(section, field, const char *), \
		.default_text = default_, .check = check_, .help = help_                         \
	}
#define CONF_DERIVED(section, field, check_, derived_, help_)                                    \
	{                                                                                        \
		.name = #field, .type = CONF_TYPE_STRING, CONF_AT(section, field, const char *), \
		.default_text = "", .check = check_, .derived = derived_, .help = help_          \
	}
#define CONF_LISTEN(section, field, port, help_)                                                          \
	CONF_DERIVED(section, field, conf_check_listen, "pod.listen_address, port pod.base_port + " port, \
	             help_)
#define CONF_DOMAIN(section, field, default_, derived_, check_, help_)                              \
	{                                                                                           \
		.name = #field, .type = CONF_TYPE_STRING, CONF_AT(section, field, const char *),    \
		.default_text = default_, .check = check_, .derived = derived_, .lower_case = true, \
		.help = help_                                                                       \
	}
#define CONF_PATH(section, field, default_, help_)                                             \
	{                                                                                      \
		.name = #field, .type = CONF_TYPE_PATH, CONF_AT(section, field, const char *), \
		.default_text = default_, .help = help_                                        \
	}
#define CONF_PATH_DERIVED(section, field, derived_, help_)                                     \
	{                                                                                      \
		.name = #field, .type = CONF_TYPE_PATH, CONF_AT(section, field, const char *), \
		.default_text = "", .derived = derived_, .help = help_                         \
	}
/* check_ is for each of the list's texts. */
#define CONF_LIST(section, field, default_, check_, help_)                                     \
	{                                                                                      \
		.name = #field, .type = CONF_TYPE_LIST, CONF_AT(section, field, const char *), \
		.default_text = default_, .check = check_, .help = help_                       \
	}
#define CONF_NETWORKS(section, field, default_, help_) \
	CONF_LIST(section, field, default_, conf_check_network, help_)
#define CONF_COUNT(section, field, default_, lowest_, highest_, help_)                          \
	{                                                                                       \
		.name = #field, .type = CONF_TYPE_COUNT, CONF_AT(section, field, unsigned int), \
		.default_text = default_, .lowest = lowest_, .highest = highest_, .help = help_ \
	}
#define CONF_SIZE(section, field, default_, lowest_, highest_, help_)                           \
	{                                                                                       \
		.name = #field, .type = CONF_TYPE_SIZE, CONF_AT(section, field, uint64_t),      \
		.default_text = default_, .lowest = lowest_, .highest = highest_, .help = help_ \
	}
#define CONF_TIME(section, field, default_, lowest_, highest_, help_)                           \
	{                                                                                       \
		.name = #field, .type = CONF_TYPE_TIME, CONF_AT(section, field##_ms, uint64_t), \
		.default_text = default_, .lowest = lowest_, .highest = highest_, .help = help_ \
	}
#define CONF_BOOL(section, field, default_, help_)                                     \
	{                                                                              \
		.name = #field, .type = CONF_TYPE_BOOL, CONF_AT(section, field, bool), \
		.default_text = default_, .help = help_                                \
	}
#define CONF_CHOICE(section, field, default_, choices_, help_)                                   \
	{                                                                                        \
		.name = #field, .type = CONF_TYPE_CHOICE, CONF_AT(section, field, unsigned int), \
		.default_text = default_, .choices = choices_, .help = help_                     \
	}

/* fields_: an array of items of struct record_; a field without a default has to be given. */
#define CONF_RECORDS(section, field, record_, fields_, help_)                                              \
	{                                                                                                  \
		.name = #field, .type = CONF_TYPE_RECORDS, CONF_AT(section, field, struct conf_records),   \
		.default_text = "", .fields = fields_, .n_fields = sizeof(fields_) / sizeof((fields_)[0]), \
		.record_size = sizeof(struct record_), .help = help_                                       \
	}

/* NOLINTEND(bugprone-macro-parentheses) */

extern const struct conf_section conf_section_pod, conf_section_tls, conf_section_log, conf_section_mta,
	conf_section_imapd, conf_section_stored, conf_section_podd, conf_section_replication, conf_section_outbound,
	conf_section_filter, conf_section_dns, conf_section_submission, conf_section_guard,
	conf_section_auth;

/* All of them, in the order they are printed; CONF_SECTIONS of them. */
#define CONF_SECTIONS 14
extern const struct conf_section *const conf_sections[CONF_SECTIONS];

#endif
