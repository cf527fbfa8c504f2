#include "podctl/podd/admin_token.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"

static int make(int fd, char ret_token[ADMIN_TOKEN_SIZE])
{
	uint8_t bytes[(ADMIN_TOKEN_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void) snprintf(ret_token + 2 * i, 3, "%02x", bytes[i]);
	return dprintf(fd, "%s\n", ret_token) < 0 ? -1 : 0;
}

int admin_token_load(const char *run_dir, char ret_token[ADMIN_TOKEN_SIZE], struct err *err)
{
	char path[PATH_MAX], text[ADMIN_TOKEN_SIZE + 1] = "";
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	(void) snprintf(path, sizeof(path), "%s/" ADMIN_TOKEN_NAME, run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0)
		return err_errno(err, errno, "%s", path);
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0 || (n == 0 && make(fd, ret_token) < 0))
		return err_errno(err, errno, "%s", path);
	if (n == 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) != ADMIN_TOKEN_SIZE - 1)
		return err_set(err, POD_E_CORRUPT, "%s is no token: remove it, and a new one is made", path);
	memcpy(ret_token, text, ADMIN_TOKEN_SIZE);
	return 0;
}

bool admin_token_equal(const char token[ADMIN_TOKEN_SIZE], const char *given)
{
	return strlen(given) == ADMIN_TOKEN_SIZE - 1 &&
	       CRYPTO_memcmp(token, given, ADMIN_TOKEN_SIZE - 1) == 0;
}
