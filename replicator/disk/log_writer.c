#include "replicator/disk/disk_internal.h"

/*
 * Who waits for a flush writes the log himself (flush.c), where nobody does just then. Epochs that were ended
 * for their size have nobody who waits: this thread writes them, so that the log takes bytes while the stage
 * takes more. Without it the stage would fill up first, and then whoever writes would do one after the other.
 * So it does with those for which flushes wait that came while the log was being written: all of them are
 * woken once, when they may be answered, and not each time something was written.
 */

void log_writer_nudge(struct disk *d)
{
	d->log_wanted = true;
	(void) pthread_cond_signal(&d->log_wake);
}

static void *log_writer_main(void *arg)
{
	struct disk *d = arg;

	(void) pthread_mutex_lock(&d->lock);
	while (!d->log_stop) {
		if (!d->log_wanted || d->writing || d->is_broken) {
			(void) pthread_cond_wait(&d->log_wake, &d->lock);
		} else if (d->committed.lsn > d->durable.lsn) {
			(void) flush_lead(d, NULL); /* a failure breaks the disk: who writes hears of it */
		} else {
			d->log_wanted = false;
		}
	}
	(void) pthread_mutex_unlock(&d->lock);
	return NULL;
}

int log_writer_start(struct disk *d, struct err *err)
{
	int r = pthread_create(&d->log_writer, NULL, log_writer_main, d);

	if (r != 0)
		return err_errno(err, r, "log writer: thread");
	d->log_writes = true;
	return 0;
}

void log_writer_stop(struct disk *d)
{
	if (!d->log_writes)
		return;
	(void) pthread_mutex_lock(&d->lock);
	d->log_stop = true;
	(void) pthread_cond_signal(&d->log_wake);
	(void) pthread_mutex_unlock(&d->lock);
	(void) pthread_join(d->log_writer, NULL);
	d->log_writes = false;
}
