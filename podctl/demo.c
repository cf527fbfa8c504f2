#include "podctl/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/password.h"

#define FIRST_VOLUME "vol01"

static const struct {
	const char *name, *display_name;
} demo[] = { { "alice", "Alice Example" }, { "bob", "Bob Example" }, { "carol", "Carol Example" } };

/* ---- the file ---- */

static const char *demo_path(struct cli *cli)
{
	return arena_printf(cli->arena, "%s/" DEMO_FILE, cli->dir);
}

static int file_load(struct cli *cli, json_t **ret_file)
{
	json_error_t why;
	const char *path = demo_path(cli);

	if (path && access(path, F_OK) < 0 && errno == ENOENT)
		return -POD_E_NOTFOUND;
	*ret_file = path ? json_load_file(path, 0, &why) : NULL;
	if (!*ret_file)
		return err_set(&cli->err, POD_E_CORRUPT, "%s: %s", path ? path : DEMO_FILE, why.text);
	return 0;
}

/* Written aside and renamed, so that there is always a whole one. */
static int file_save(struct cli *cli, const json_t *file)
{
	const char *path = demo_path(cli), *new = arena_printf(cli->arena, "%s.new", path);
	_cleanup_(closep) int fd = new ? open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || json_dumpfd(file, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0 || rename(new, path) < 0)
		return err_errno(&cli->err, errno, "%s", path);
	return 0;
}

int demo_users_load(struct cli *cli, json_t **ret_users)
{
	json_t *file;
	int r = file_load(cli, &file);

	if (r == -POD_E_NOTFOUND) {
		*ret_users = json_array();
		return 0;
	}
	if (r < 0)
		return r;
	*ret_users = json_incref(json_object_get(file, "users"));
	json_decref(file);
	return json_is_array(*ret_users)
	               ? 0
	               : err_set(&cli->err, POD_E_CORRUPT, "%s/" DEMO_FILE ": no users in it", cli->dir);
}

void demo_users_change(struct cli *cli, const char *address, const char *password)
{
	json_t *file, *users, *user;
	size_t i;

	if (file_load(cli, &file) < 0)
		return;
	users = json_object_get(file, "users");
	json_array_foreach(users, i, user)
	{
		const char *have = json_string_value(json_object_get(user, "address"));

		if (!have || strcasecmp(have, address) != 0)
			continue;
		if (password)
			(void) json_object_set_new(user, "password", json_string(password));
		else
			(void) json_array_remove(users, i);
		if (file_save(cli, file) < 0)
			cli_note(cli, "podctl: %s is out of date: %s", DEMO_FILE, err_text(&cli->err));
		break;
	}
	json_decref(file);
}

static json_t *file_make(const char *domain)
{
	json_t *users = json_array();

	for (size_t i = 0; users && i < ARRAY_SIZE(demo); i++) {
		char password[PASSWORD_MADE_SIZE];

		password_make(password);
		(void) json_array_append_new(users, json_pack("{so, ss}", "address",
		                                              json_sprintf("%s@%s", demo[i].name, domain),
		                                              "password", password));
	}
	return json_pack("{so, sb}", "users", users, "complete", 0);
}

/* ---- making them ---- */

/* What is there already was made by an earlier try. */
static int ensure(struct cli *cli, const char *path, json_t *body)
{
	json_t *answer = NULL;
	int r = client_call(cli, "POST", path, body, &answer);

	json_decref(answer);
	return r == -POD_E_EXISTS ? 0 : r;
}

static int make_all(struct cli *cli, const char *domain, const json_t *users)
{
	int r = ensure(cli, "/volumes", json_pack("{ss}", "name", FIRST_VOLUME));
	json_t *user;
	size_t i;

	if (r == 0)
		r = ensure(cli, "/domains",
		           json_pack("{ss, ss}", "name", domain, "description", "The pod's own domain"));
	for (i = 0; r == 0 && i < json_array_size(users); i++) {
		user = json_array_get(users, i);
		r = ensure(cli, "/users",
		           json_pack("{sO, sO, ss}", "address", json_object_get(user, "address"), "password",
		                     json_object_get(user, "password"), "display_name",
		                     demo[i % ARRAY_SIZE(demo)].display_name));
	}
	if (r == 0)
		r = ensure(cli, "/aliases",
		           json_pack("{so, s[O]}", "address", json_sprintf("postmaster@%s", domain),
		                     "targets", json_object_get(json_array_get(users, 0), "address")));
	return r;
}

int demo_setup(struct cli *cli)
{
	const struct conf *conf;
	json_t *file = NULL;
	int r = cli_conf(cli, &conf);

	if (r == 0)
		r = file_load(cli, &file);
	if (r == -POD_E_NOTFOUND) {
		file = file_make(conf->pod.domain);
		r = file ? file_save(cli, file) : err_set(&cli->err, POD_E_NOMEM, "users");
	}
	if (r == 0 && !json_is_true(json_object_get(file, "complete"))) {
		r = make_all(cli, conf->pod.domain, json_object_get(file, "users"));
		if (r == 0 && json_object_set_new(file, "complete", json_true()) == 0)
			r = file_save(cli, file);
	}
	json_decref(file);
	return r;
}
