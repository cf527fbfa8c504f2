/* A DNS for tests that is a table: for who asks through mta/podfilter/auth/lookup.h. */
#ifndef TESTS_ZONE_TABLE_H
#define TESTS_ZONE_TABLE_H

#include "mta/podfilter/auth/lookup.h"

struct zone_row {
	const char *name;
	enum dns_type type;
	const char *value; /* as in a zone file: "192.0.2.1", "10 mx.example.org", text; NULL: the DNS does
	                      not answer */
};

struct zone_table {
	const struct zone_row *rows;
	size_t n;
	unsigned int asked; /* questions so far */
};

/* The table has to outlive it. A name with rows of other types only has no data, any other does not exist. */
struct lookup zone_table_lookup(struct zone_table *table);

/* An address without a port, of either family. */
struct net_addr zone_addr(const char *text);

/* Reads rows from text: lines of NAME TYPE VALUE with tabs between. In a. */
struct zone_table zone_table_parse(struct arena *a, const char *text);

#endif
