#include "podctl/pod_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/size.h"

/* The users of the programs are written out only where they change: without root all run as the caller. */
static const char conf_head[] =
	"# Configuration of a pod of podmail. podmail.conf(5) and `podctl config show` list every option "
	"with its\n"
	"# default; `podctl config check` lists mistakes; `podctl config reload` puts changes in force.\n"
	"\n";

static const char conf_text[] =
	"pod {\n"
	"    # The pod's own domain: its postmaster, and the names that its servers call themselves.\n"
	"    domain = \"%s\"\n"
	"\n"
	"    # Added to every well-known port: SMTP listens on %u, IMAP on %u. 0 for a server of its own.\n"
	"    base_port = %u\n"
	"\n"
	"    # Where the services listen; \"*\" for all addresses.\n"
	"    listen_address = \"127.0.0.1\"\n"
	"%s"
	"}\n"
	"\n"
	"tls {\n"
	"    # Made at first start, signed by the pod's own CA (tls/ca.pem). Put a real certificate here.\n"
	"    cert = \"tls/server.pem\"\n"
	"    key = \"tls/server.key\"\n"
	"}\n";

static const char conf_caller[] = "\n"
				  "    # Made by a user who is not root: the programs run as that user.\n"
				  "    user_mta = \"\"\n"
				  "    user_imap = \"\"\n"
				  "    user_store = \"\"\n"
				  "    user_repl = \"\"\n"
				  "    user_filter = \"\"\n";

static int make_folders(const char *dir, struct err *err)
{
	char path[PATH_MAX];

	if (strlen(dir) >= sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: name too long", dir);
	for (const char *p = dir; p;) {
		p = strchr(p + 1, '/');
		(void) snprintf(path, sizeof(path), "%.*s", p ? (int) (p - dir) : (int) strlen(dir), dir);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_errno(err, errno, "making %s", path);
	}
	return 0;
}

/* A unix socket's name has 107 bytes (unix(7)); the longest of ours is run/replica/VOLUME.SITE.nbd. */
static int check_length(const char *dir, struct err *err)
{
	static const char longest[] = "/run/replica/12345678901234567890123456789012.site2.nbd";
	struct sockaddr_un addr;

	if (strlen(dir) + strlen(longest) >= sizeof(addr.sun_path))
		return err_set(err, POD_E_LIMIT,
		               "%s: too long a name for the sockets in it; at most %zu bytes", dir,
		               sizeof(addr.sun_path) - sizeof(longest));
	return 0;
}

/* Only what was asked for: the rest are defaults. */
static int write_replication(int fd, const struct pod_wish *wish)
{
	if (!wish->volumes && !wish->volume_size)
		return 0;
	if (dprintf(fd, "\nreplication {\n") < 0 ||
	    (wish->volumes && dprintf(fd, "    volumes = \"%s\"\n", wish->volumes) < 0) ||
	    (wish->volume_size && dprintf(fd, "    volume_size = \"%s\"\n", wish->volume_size) < 0) ||
	    dprintf(fd, "}\n") < 0)
		return -1;
	return 0;
}

static int write_text(int fd, unsigned int base_port, const struct pod_wish *wish)
{
	if (dprintf(fd, "%s", conf_head) < 0 ||
	    dprintf(fd, conf_text, wish->domain ? wish->domain : POD_DOMAIN_DEFAULT, base_port + 25,
	            base_port + 143, base_port, geteuid() == 0 ? "" : conf_caller) < 0 ||
	    write_replication(fd, wish) < 0)
		return -1;
	return fsync(fd);
}

/* Written aside and linked, so that it appears whole; another podctl that was faster has made the same. */
static int write_conf(const char *path, unsigned int base_port, const struct pod_wish *wish, struct err *err)
{
	char new[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r = 0;

	if ((size_t) snprintf(new, sizeof(new), "%s.%d", path, (int) getpid()) >= sizeof(new))
		return err_set(err, POD_E_LIMIT, "%s: name too long", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(err, errno, "%s", new);
	if (write_text(fd, base_port, wish) < 0 || (link(new, path) < 0 && errno != EEXIST))
		r = err_errno(err, errno, "%s", path);
	(void) unlink(new);
	return r;
}

static int check_wish(struct cli *cli, const struct pod_wish *wish, uint32_t *ret_port)
{
	uint64_t size;

	if (wish->base_port && (span_to_u32(span_of(wish->base_port), ret_port) < 0 || *ret_port > 64000))
		return err_set(&cli->err, POD_E_SYNTAX, "--base-port is 0 to 64000");
	if (wish->volumes && strcmp(wish->volumes, "auto") != 0 && strcmp(wish->volumes, "replicated") != 0 &&
	    strcmp(wish->volumes, "directory") != 0)
		return err_set(&cli->err, POD_E_SYNTAX, "--volumes is auto, replicated or directory");
	if (wish->volume_size &&
	    (size_parse(span_of(wish->volume_size), &size, NULL) < 0 || size < 64u << 20))
		return err_set(&cli->err, POD_E_SYNTAX, "--volume-size is 64M or more");
	return 0;
}

static int make(struct cli *cli, const char *path, const struct pod_wish *wish)
{
	uint32_t port = POD_BASE_PORT_DEFAULT;
	char real[PATH_MAX];
	int r = check_wish(cli, wish, &port);

	if (r == 0)
		r = make_folders(cli->dir, &cli->err);
	if (r == 0 && !realpath(cli->dir, real))
		r = err_errno(&cli->err, errno, "%s", cli->dir);
	if (r == 0)
		r = check_length(real, &cli->err);
	return r < 0 ? r : write_conf(path, port, wish, &cli->err);
}

static int differs(struct cli *cli, const char *hint, const char *what, const char *is)
{
	cli->hint = hint;
	return err_set(&cli->err, POD_E_SYNTAX, "the pod in %s has %s %s", cli->dir, what, is);
}

static int compare_volumes(struct cli *cli, const struct conf *conf, const struct pod_wish *wish)
{
	static const char *const names[] = {
		[REPLICATION_VOLUMES_AUTO] = "auto",
		[REPLICATION_VOLUMES_REPLICATED] = "replicated",
		[REPLICATION_VOLUMES_DIRECTORY] = "directory",
	};
	uint64_t size;

	if (wish->volumes && strcmp(wish->volumes, names[conf->replication.volumes]) != 0)
		return differs(cli, "leave --volumes out, or change replication.volumes in podmail.conf",
		               "replication.volumes", names[conf->replication.volumes]);
	if (wish->volume_size && (size_parse(span_of(wish->volume_size), &size, NULL) < 0 ||
	                          size != conf->replication.volume_size))
		return differs(cli, "leave --volume-size out; podctl volume grow makes one larger",
		               "another replication.volume_size than", wish->volume_size);
	return 0;
}

/* What is asked for must be so already. */
static int compare(struct cli *cli, const struct pod_wish *wish)
{
	const struct conf *conf;
	uint32_t port;
	int r = cli_conf(cli, &conf);

	if (r < 0)
		return r;
	if (wish->base_port &&
	    (span_to_u32(span_of(wish->base_port), &port) < 0 || port != conf->pod.base_port))
		return differs(cli, "leave --base-port out, or change pod.base_port in podmail.conf",
		               "base port", arena_printf(cli->arena, "%u", conf->pod.base_port));
	if (wish->domain && strcasecmp(wish->domain, conf->pod.domain) != 0) {
		cli->hint = "leave --domain out; podctl domain add adds one";
		return err_set(&cli->err, POD_E_SYNTAX, "the pod in %s is %s", cli->dir, conf->pod.domain);
	}
	return compare_volumes(cli, conf, wish);
}

int pod_files_make(struct cli *cli, const struct pod_wish *wish)
{
	const char *path;
	int r = cli_find_dir(cli);

	if (r < 0)
		return r;
	path = arena_printf(cli->arena, "%s/podmail.conf", cli->dir);
	if (!path)
		return err_set(&cli->err, POD_E_NOMEM, "configuration");
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		r = make(cli, path, wish);
		if (r < 0)
			return r;
	}
	return compare(cli, wish);
}
