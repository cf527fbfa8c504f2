/* The private CA of a pod and its first server certificate. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "net/tls_internal.h"

#define DAY_S       (24L * 3600)
#define CA_DAYS     3650
#define SERVER_DAYS 825  /* the longest that Apple's clients take, also from a private CA */
#define BACKDATE_S  3600 /* clients' clocks are late */

/* RFC 5280: keyUsage and the rest, as the extensions of openssl's configuration files spell them. */
struct extension {
	int nid;
	const char *value;
};

static void pkey_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void x509_freep(X509 **p)
{
	X509_free(*p);
}

static void bio_freep(BIO **p)
{
	(void) BIO_free(*p);
}

static int read_pem(const char *path, BIO **ret_bio, struct err *err)
{
	*ret_bio = BIO_new_file(path, "re");
	return *ret_bio ? 0 : tls_err(err, POD_E_CONFIG, "%s", path);
}

static int read_key(const char *path, EVP_PKEY **ret_key, struct err *err)
{
	_cleanup_(bio_freep) BIO *in = NULL;
	int r = read_pem(path, &in, err);

	if (r < 0)
		return r;
	*ret_key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	return *ret_key ? 0 : tls_err(err, POD_E_CONFIG, "key %s", path);
}

static int read_cert(const char *path, X509 **ret_cert, struct err *err)
{
	_cleanup_(bio_freep) BIO *in = NULL;
	int r = read_pem(path, &in, err);

	if (r < 0)
		return r;
	*ret_cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	return *ret_cert ? 0 : tls_err(err, POD_E_CONFIG, "certificate %s", path);
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno != EINTR)
			return -1;
		bytes = span_skip(bytes, n > 0 ? (size_t) n : 0);
	}
	return fsync(fd);
}

static int sync_dir(const char *dir, struct err *err)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "%s", dir);
	return 0;
}

/* The file is there whole, with its mode, or not at all. */
static int write_file(const char *dir, const char *path, struct span bytes, mode_t mode, struct err *err)
{
	_cleanup_(freep) char *tmp = NULL;
	_cleanup_(closep) int fd = -1;

	if (asprintf(&tmp, "%s.tmp", path) < 0)
		return err_set(err, POD_E_NOMEM, "%s", path);
	if (unlink(tmp) < 0 && errno != ENOENT)
		return err_errno(err, errno, "%s", tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(err, errno, "%s", tmp);
	/* fchmod: whatever the umask, a certificate is for everyone and a key for nobody else */
	if (fchmod(fd, mode) < 0 || write_all(fd, bytes) < 0 || rename(tmp, path) < 0) {
		int errnum = errno;

		(void) unlink(tmp);
		return err_errno(err, errnum, "%s", path);
	}
	return sync_dir(dir, err);
}

static int write_pem(const char *dir, const char *path, EVP_PKEY *key, X509 *cert, struct err *err)
{
	_cleanup_(bio_freep) BIO *out = BIO_new(BIO_s_mem());
	char *p = NULL;
	long len;
	bool ok = out != NULL;

	if (ok && key)
		ok = PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1;
	if (ok && cert)
		ok = PEM_write_bio_X509(out, cert) == 1;
	if (!ok)
		return tls_err(err, POD_E_INTERNAL, "%s", path);
	len = BIO_get_mem_data(out, &p);
	return write_file(dir, path, span_make(p, (size_t) len), key ? 0600 : 0644, err);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The key in the file, which is made where there is none: a key without its certificate is a start cut short.
 */
static int ensure_key(const char *dir, const char *path, EVP_PKEY **ret_key, struct err *err)
{
	if (exists(path))
		return read_key(path, ret_key, err);
	*ret_key = EVP_EC_gen("P-256");
	if (!*ret_key)
		return tls_err(err, POD_E_INTERNAL, "making a key");
	return write_pem(dir, path, *ret_key, NULL, err);
}

static bool set_serial(X509 *cert)
{
	uint8_t bytes[16];
	BIGNUM *n;
	bool ok;

	random_bytes(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive and of full length (RFC 5280 4.1.2.2) */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static bool set_name(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *) "podmail", -1, -1,
	                                  0) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *) common_name, -1,
	                                  -1, 0) == 1;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *ext)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	for (; ext->value; ext++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, ext->nid, ext->value);
		bool ok = e && X509_add_ext(cert, e, -1) == 1;

		X509_EXTENSION_free(e);
		if (!ok)
			return false;
	}
	return true;
}

/* issuer NULL: signs itself. */
static int make_cert(const char *common_name, int days, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                     const struct extension *ext, X509 **ret_cert, struct err *err)
{
	_cleanup_(x509_freep) X509 *cert = X509_new();
	bool ok = cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	          X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) &&
	          X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_S - BACKDATE_S) &&
	          X509_set_pubkey(cert, key) == 1 && set_name(cert, common_name) &&
	          X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) == 1 &&
	          add_extensions(cert, issuer ? issuer : cert, ext) &&
	          X509_sign(cert, issuer_key, EVP_sha256()) > 0;

	if (!ok)
		return tls_err(err, POD_E_INTERNAL, "certificate for %s", common_name);
	*ret_cert = take_ptr(cert);
	return 0;
}

static int ensure_ca(const char *dir, X509 **ret_cert, EVP_PKEY **ret_key, struct err *err)
{
	static const struct extension ext[] = {
		{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
		{NID_key_usage, "critical,keyCertSign,cRLSign"},
		{NID_subject_key_identifier, "hash"},
		{0, NULL},
	};
	_cleanup_(freep) char *cert_path = NULL, *key_path = NULL;
	char name[64];
	uint32_t mark;
	int r;

	if (asprintf(&cert_path, "%s/ca.pem", dir) < 0 || asprintf(&key_path, "%s/ca.key", dir) < 0)
		return err_set(err, POD_E_NOMEM, "CA");
	if (exists(cert_path) && !exists(key_path))
		return err_set(err, POD_E_NOTFOUND,
		               "%s is missing: without the CA's key no server certificate can be made",
		               key_path);
	r = ensure_key(dir, key_path, ret_key, err);
	if (r < 0)
		return r;
	if (exists(cert_path))
		return read_cert(cert_path, ret_cert, err);
	/* Two pods' CAs must not share a name: a client that trusts both finds the issuer by it. */
	random_bytes(&mark, sizeof(mark));
	(void) snprintf(name, sizeof(name), "podmail private CA %08x", mark);
	r = make_cert(name, CA_DAYS, *ret_key, NULL, *ret_key, ext, ret_cert, err);
	return r < 0 ? r : write_pem(dir, cert_path, NULL, *ret_cert, err);
}

static bool is_address(const char *name)
{
	uint8_t addr[16];

	return inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1;
}

/* A name becomes part of OpenSSL's configuration syntax, where a comma would begin something else. */
static bool is_name(const char *name)
{
	return *name && strlen(name) <= 253 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                         "0123456789-._*")] == '\0';
}

static int alt_names(const char *const *names, size_t n, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		bool address = is_address(names[i]);

		if (!address && !is_name(names[i]))
			return err_set(err, POD_E_SYNTAX, "\"%s\" is not a name for a certificate", names[i]);
		buf_printf(out, "%s%s:%s", out->len ? "," : "", address ? "IP" : "DNS", names[i]);
	}
	return out->failed ? err_set(err, POD_E_NOMEM, "certificate names") : 0;
}

static int make_server(const char *dir, const char *cert_path, const char *key_path, const char *const *names,
                       size_t n, struct err *err)
{
	_cleanup_(x509_freep) X509 *ca = NULL, *cert = NULL;
	_cleanup_(pkey_freep) EVP_PKEY *ca_key = NULL, *key = NULL;
	_cleanup_buf_ struct buf alt = BUF_INIT;
	char common_name[65];
	int r = alt_names(names, n, &alt, err);

	if (r == 0)
		r = ensure_ca(dir, &ca, &ca_key, err);
	if (r == 0)
		r = ensure_key(dir, key_path, &key, err);
	if (r < 0)
		return r;
	const struct extension ext[] = {
		{NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "serverAuth,clientAuth"}, /* the same identity between our own processes
	                                                       */
		{NID_subject_key_identifier, "hash"},         {NID_authority_key_identifier, "keyid:always"},
		{NID_subject_alt_name, buf_str(&alt)},        {0, NULL},
	};
	(void) snprintf(common_name, sizeof(common_name), "%s", names[0]); /* X.520: at most 64 */
	r = make_cert(common_name, SERVER_DAYS, key, ca, ca_key, ext, &cert, err);
	return r < 0 ? r : write_pem(dir, cert_path, NULL, cert, err);
}

static int make_pair(const char *dir, const char *cert, const char *key, const char *const *names, size_t n,
                     struct err *err)
{
	/* The certificate is written last: where it is there, so is the rest, or an admin brought their own. */
	if (exists(cert))
		return exists(key) ? 0 : err_set(err, POD_E_NOTFOUND, "%s is there but %s is not", cert, key);
	return make_server(dir, cert, key, names, n, err);
}

int tls_make_identity(const char *dir, const char *cert_path, const char *key_path, const char *name, struct err *err)
{
	return make_pair(dir, cert_path, key_path, &name, 1, err);
}

int tls_make_self_signed(const char *dir, const char *const *names, size_t n, struct err *err)
{
	_cleanup_(freep) char *cert = NULL, *key = NULL;

	if (n == 0)
		return err_set(err, POD_E_SYNTAX, "a certificate needs a name");
	if (asprintf(&cert, "%s/server.pem", dir) < 0 || asprintf(&key, "%s/server.key", dir) < 0)
		return err_set(err, POD_E_NOMEM, "certificate names");
	return make_pair(dir, cert, key, names, n, err);
}
