/* Libxml2 reads: without the network, without entities, without document types. */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/cleanup.h"
#include "imapd/autodiscover/autodiscover.h"

#define MOBILESYNC "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
#define OUTLOOK    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

static void free_document(xmlDoc **document)
{
	if (*document)
		xmlFreeDoc(*document);
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
	for (const xmlNode *n = parent ? parent->children : NULL; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && xmlStrcmp(n->name, (const xmlChar *) name) == 0)
			return n;
	return NULL;
}

/* The only one of that name. */
static const xmlNode *only_child(const xmlNode *parent, const char *name)
{
	const xmlNode *found = child(parent, name);

	for (const xmlNode *n = found ? found->next : NULL; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && xmlStrcmp(n->name, (const xmlChar *) name) == 0)
			return NULL;
	return found;
}

/* The text of a child, without white space around it. */
static struct span text_of(struct arena *a, const xmlNode *parent, const char *name)
{
	const xmlNode *n = child(parent, name);
	xmlChar *text = n ? xmlNodeGetContent(n) : NULL;
	struct span copy = text ? arena_dup(a, span_trim(span_of((const char *) text))) : SPAN_NONE;

	xmlFree(text);
	return copy;
}

/* An Outlook that is old asks for the schema of 2006, a new one for that of 2006a; the answer is the same. */
static enum autodiscover_schema schema_of(struct span name)
{
	if (span_eq_nocase(name, SPAN_LIT(MOBILESYNC)))
		return AUTODISCOVER_MOBILESYNC;
	if (span_eq_nocase(name, SPAN_LIT(OUTLOOK)) ||
	    span_eq_nocase(name, span_make((const uint8_t *) OUTLOOK, sizeof(OUTLOOK) - 2)))
		return AUTODISCOVER_OUTLOOK;
	return AUTODISCOVER_UNKNOWN;
}

/* Else bytes that are not in the encoding they claim are told to standard error, whatever the options say. */
static void ignore(void *arg, xmlError *error)
{
}

/* A document type is where entities come from: nothing of it is read. */
static void refuse_type(void *arg, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
	xmlStopParser(arg);
}

/* NULL where it is no XML; without a root where it has a document type. */
static xmlDoc *read_document(struct span body)
{
	xmlParserCtxt *parser = xmlNewParserCtxt();
	xmlDoc *document = NULL;

	if (parser) {
		xmlSetStructuredErrorFunc(NULL, ignore);
		parser->sax->internalSubset = refuse_type;
		document = xmlCtxtReadMemory(parser, (const char *) body.p, (int) body.len, "request", NULL,
		                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	}
	xmlFreeParserCtxt(parser);
	return document;
}

/* An Outlook may say its LegacyDN instead (MS-OXDSCLI 2.2.3.1.1); what we do not provide is nobody's. */
static bool needs_address(const xmlNode *request, enum autodiscover_schema schema)
{
	return schema == AUTODISCOVER_MOBILESYNC ||
	       (schema == AUTODISCOVER_OUTLOOK && !child(request, "LegacyDN"));
}

int autodiscover_parse(struct arena *a, struct span body, struct autodiscover_request *ret, struct err *err)
{
	__attribute__((cleanup(free_document))) xmlDoc *document = NULL;
	const xmlNode *request;
	struct span schema;

	*ret = (struct autodiscover_request){ .schema = AUTODISCOVER_UNKNOWN };
	if (body.len > AUTODISCOVER_BODY_MAX)
		return err_set(err, POD_E_LIMIT, "a request of %zu bytes", body.len);
	document = read_document(body);
	if (!document || !xmlDocGetRootElement(document))
		return err_set(err, POD_E_SYNTAX, "no XML, or some with a document type");
	request = only_child(xmlDocGetRootElement(document), "Request");
	schema = text_of(a, request, "AcceptableResponseSchema");
	if (!request || schema.len == 0)
		return err_set(err, POD_E_SYNTAX, "not one Request with an AcceptableResponseSchema");
	ret->schema = schema_of(schema);
	ret->address = text_of(a, request, "EMailAddress");
	if (ret->address.len == 0 && needs_address(request, ret->schema))
		return err_set(err, POD_E_SYNTAX, "no EMailAddress");
	return 0;
}
