/* The process, and the configuration that sessions share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/source.h"
#include "mta/podfilter/training.h"
#include "mta/podfilter/weights.h"

#define THROTTLE_CLIENTS 100000 /* some 10 MiB */

static struct settings *settings_free(struct settings *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; filter_checks[i]; i++)
		if (s->of_check[i] && filter_checks[i]->configure_done)
			filter_checks[i]->configure_done(s->of_check[i]);
	(void) net_set_free(s->trusted);
	free(s->weights);
	(void) conf_free(s->conf);
	free(s);
	return NULL;
}

static int settings_create(const struct conf *conf, struct settings **ret_settings, struct err *err)
{
	struct settings *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		(void) conf_free(conf);
		return err_set(err, POD_E_NOMEM, "settings");
	}
	s->conf = conf;
	s->refs = 1;
	r = net_set_parse(span_of(conf->filter.trusted), &s->trusted, err);
	if (r == 0)
		r = weights_parse(conf->filter.weights, &s->weights, err);
	for (size_t i = 0; r == 0 && filter_checks[i]; i++)
		if (filter_checks[i]->configure) {
			r = filter_checks[i]->configure(conf, &s->of_check[i], err);
			r = r < 0 ? err_wrap(err, r, "%s", filter_checks[i]->name) : 0;
		}
	if (r == 0)
		*ret_settings = take_ptr(s);
	(void) settings_free(s);
	return r;
}

struct settings *settings_take(struct filter *f)
{
	struct settings *s;

	(void) pthread_mutex_lock(&f->lock);
	s = f->settings;
	s->refs++;
	(void) pthread_mutex_unlock(&f->lock);
	return s;
}

void settings_release(struct filter *f, struct settings *s)
{
	bool last;

	(void) pthread_mutex_lock(&f->lock);
	last = --s->refs == 0;
	(void) pthread_mutex_unlock(&f->lock);
	if (last)
		(void) settings_free(s);
}

int filter_reload(struct filter *f, const struct conf *conf, struct err *err)
{
	struct settings *s, *old;
	int r = settings_create(conf, &s, err);

	if (r < 0)
		return r;
	r = resolver_reload(f->resolver, &conf->dns, err);
	if (r < 0) {
		(void) settings_free(s);
		return r;
	}
	(void) pthread_mutex_lock(&f->lock);
	old = f->settings;
	f->settings = s;
	(void) pthread_mutex_unlock(&f->lock);
	settings_release(f, old);
	return 0;
}

static int folder_make(const char *path, struct err *err)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? err_errno(err, errno, "%s", path) : 0;
}

static int open_memory(struct filter *f, struct err *err)
{
	char path[sizeof(f->tmp_dir) + 8];
	bool renewed;
	int r;

	(void) snprintf(path, sizeof(path), "%s/memory", f->tmp_dir);
	r = memory_open(path, &f->memory, &renewed, err);
	if (r == 0 && renewed)
		log_event(NULL, LOGL_ERROR, "filter.memory_damaged", F_STR("dir", path));
	return r;
}

/* Who our recipients are is known once podd has made the directory, which it does before it starts us. */
static int open_auth(struct filter *f, struct err *err)
{
	char path[sizeof(f->tmp_dir) + 16];
	struct err why = { 0 };
	int r;

	(void) snprintf(path, sizeof(path), "%s/dkim", f->tmp_dir);
	r = mailauth_open(path, &f->mailauth, err);
	(void) snprintf(path, sizeof(path), "%s/reports", f->tmp_dir);
	if (r == 0)
		r = report_store_open(path, &f->reports, err);
	if (r == 0 && directory_open(f->settings->conf->pod.directory_dir, &f->directory, &why) < 0)
		log_event(NULL, LOGL_WARNING, "filter.no_directory", F_ERR(&why));
	return r;
}

static int load_source_key(struct filter *f, struct err *err)
{
	char path[sizeof(f->tmp_dir) + 12];

	(void) snprintf(path, sizeof(path), "%s/source.key", f->tmp_dir);
	return source_key_load(path, f->source_key, err);
}

int filter_open(const struct conf *conf, struct filter **ret_filter, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));
	int r = f ? folder_make(conf->filter.dir, err) : err_set(err, POD_E_NOMEM, "filter");

	if (r < 0) {
		free(f);
		(void) conf_free(conf);
		return r;
	}
	(void) pthread_mutex_init(&f->lock, NULL);
	(void) snprintf(f->tmp_dir, sizeof(f->tmp_dir), "%s", conf->filter.dir);
	r = settings_create(conf, &f->settings, err);
	if (r == 0)
		r = open_memory(f, err);
	if (r == 0)
		r = load_source_key(f, err);
	if (r == 0 && !(f->throttle = throttle_create(THROTTLE_CLIENTS)))
		r = err_set(err, POD_E_NOMEM, "throttle");
	if (r == 0)
		r = resolver_start(&f->settings->conf->dns, &f->resolver, err);
	if (r == 0)
		r = open_auth(f, err);
	if (r == 0)
		r = training_start(f, &f->training, err);
	if (r < 0)
		(void) filter_close(f);
	else
		*ret_filter = f;
	return r;
}

struct filter *filter_close(struct filter *f)
{
	if (!f)
		return NULL;
	f->training = training_stop(f->training);
	f->mailauth = mailauth_close(f->mailauth);
	f->reports = report_store_close(f->reports);
	f->directory = directory_close(f->directory);
	f->resolver = resolver_stop(f->resolver);
	f->throttle = throttle_free(f->throttle);
	f->memory = memory_close(f->memory);
	(void) settings_free(f->settings);
	(void) pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}

struct resolver *filter_resolver(const struct session *s)
{
	return s->filter->resolver;
}

struct memory *filter_memory(const struct session *s)
{
	return s->filter->memory;
}
