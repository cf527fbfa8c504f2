/*
 * What users teach: their moves into Junk and out of it, which stores keep as lessons, become reputation and
 * are told to rspamd. A thread of its own asks the stores of this host (those with a unix socket) from time
 * to time; a lesson is forgotten there once it is learnt, so none is lost by a crash, though one may be
 * learnt twice.
 */
#ifndef POD_FILTER_TRAINING_H
#define POD_FILTER_TRAINING_H

#include "base/err.h"

struct filter;
struct training;

int training_start(struct filter *f, struct training **ret_training, struct err *err);
/* NULL is fine; returns NULL. */
struct training *training_stop(struct training *t);

#endif
