#include "podctl/wrap.h"

#include <string.h>

void wrap_print(FILE *out, const char *text, int indent, int width)
{
	int column = indent;

	for (const char *p = text; *p;) {
		int len = (int) strcspn(p, " \n");

		if (column > indent && column + 1 + len > width) {
			(void) fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		(void) fprintf(out, "%s%.*s", column > indent ? " " : "", len, p);
		column += len + (column > indent);
		p += len;
		if (*p == '\n') {
			(void) fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		p += *p != '\0';
	}
	(void) fputc('\n', out);
}
