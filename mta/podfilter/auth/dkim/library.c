#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/dkim/dkim_internal.h"
#include "mta/podfilter/auth/signed_names.h"

/* Names of header fields that are signed where they are there (RFC 6376 5.4.1). */
const char *const dkim_signed_names[] = {
	SIGNED_NAMES_OF_ALL,
	SIGNED_NAMES_OF_PARTS,
	"Content-Description",
	"Resent-Date",
	"Resent-From",
	"Resent-Sender",
	"Resent-To",
	"Resent-Cc",
	"Resent-Message-ID",
	"List-Id",
	"List-Help",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
	"List-Subscribe",
	"List-Post",
	"List-Owner",
	"List-Archive",
	NULL,
};

/*
 * What is also signed as not being there once more. Content-Disposition and the like are of no use to a
 * forger of a whole message, and lists add their own List-*.
 */
const char *const dkim_oversigned_names[] = {
	SIGNED_NAMES_OF_ALL,
	NULL,
};

static int set_option(DKIM_LIB *lib, dkim_opts_t option, const void *value, size_t size, struct err *err)
{
	/* the library copies it and does not write to it */
	DKIM_STAT status = dkim_options(lib, DKIM_OP_SETOPT, option, (void *) (uintptr_t) value, size);

	return status == DKIM_STAT_OK ? 0
	                              : err_set(err, POD_E_INTERNAL, "option %d of libopendkim: %s",
	                                        (int) option, dkim_getresultstr(status));
}

static int set_options(DKIM_LIB *lib, struct err *err)
{
	/*
	 * Nothing is verified before the body is there; broken signatures are listed with the others; a
	 * second From, or none, verifies nothing.
	 */
	unsigned int flags =
		DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES | DKIM_LIBFLAGS_STRICTHDRS;
	unsigned int bits = PUBLIC_KEY_RSA_BITS_MIN;
	const char *const *names = dkim_signed_names, *const *over = dkim_oversigned_names;
	int r = set_option(lib, DKIM_OPTS_FLAGS, &flags, sizeof(flags), err);

	if (r == 0)
		r = set_option(lib, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits), err);
	if (r == 0)
		r = set_option(lib, DKIM_OPTS_SIGNHDRS, names, sizeof(names), err);
	if (r == 0)
		r = set_option(lib, DKIM_OPTS_OVERSIGNHDRS, over, sizeof(over), err);
	return r;
}

int dkim_library_create(struct dkim_library **ret_library, struct err *err)
{
	struct dkim_library *library = calloc(1, sizeof(*library));
	int r;

	if (library)
		library->lib = dkim_init(NULL, NULL);
	if (!library || !library->lib) {
		free(library);
		return err_set(err, POD_E_NOMEM, "libopendkim");
	}
	r = set_options(library->lib, err);
	if (r == 0 && (dkim_set_key_lookup(library->lib, dkim_verifier_find_key) != DKIM_STAT_OK ||
	               dkim_set_prescreen(library->lib, dkim_verifier_prescreen) != DKIM_STAT_OK))
		r = err_set(err, POD_E_INTERNAL, "libopendkim");
	if (r < 0) {
		(void) dkim_library_free(library);
		return r;
	}
	*ret_library = library;
	return 0;
}

struct dkim_library *dkim_library_free(struct dkim_library *library)
{
	if (library)
		dkim_close(library->lib);
	free(library);
	return NULL;
}

const char *dkim_error_text(DKIM *dkim, DKIM_STAT status)
{
	const char *text = dkim ? dkim_geterror(dkim) : NULL;

	return text ? text : dkim_getresultstr(status) ? dkim_getresultstr(status) : "libopendkim failed";
}

DKIM_STAT dkim_feed_header(DKIM *dkim, struct arena *a, const struct fields *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->items[i];
		uint8_t *text = arena_alloc(a, f->name.len + f->value.len + 2);
		DKIM_STAT status;

		if (!text)
			return DKIM_STAT_NORESOURCE;
		memcpy(text, f->name.p, f->name.len);
		text[f->name.len] = ':';
		memcpy(text + f->name.len + 1, f->value.p, f->value.len);
		status = dkim_header(dkim, text, f->name.len + f->value.len + 1);
		/* a field that is none is nobody's to sign; the others still are */
		if (status != DKIM_STAT_OK && status != DKIM_STAT_SYNTAX)
			return status;
	}
	return DKIM_STAT_OK;
}
