/*
 * Writing XML 1.0 into a buf: names are the caller's, texts are made safe. Characters that XML has none for
 * (section 2.2: control characters but tab, CR and LF) are left out. Pure.
 */
#ifndef POD_BASE_XML_H
#define POD_BASE_XML_H

#include "base/buf.h"

/* Text, also within an attribute in double quotes. */
void xml_text(struct buf *out, struct span text);
/* "<name>text</name>\n"; name may carry attributes: they do not stand in the end tag. */
void xml_element(struct buf *out, const char *name, struct span text);
/* "</name>\n" for what began with "<name attribute=...>". */
void xml_end(struct buf *out, const char *name);

#endif
