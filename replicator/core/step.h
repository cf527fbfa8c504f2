/* The steps at which fault tests stop a replica, in the order of a write's way. Named where they happen: disk, snapshot. */
#ifndef REPLICATOR_CORE_STEP_H
#define REPLICATOR_CORE_STEP_H

enum disk_step {
	DISK_STEP_STAGE,      /* a record goes to the stage */
	DISK_STEP_LOG_WRITE,  /* the stage's bytes go to the log */
	DISK_STEP_LOG_FLUSH,
	DISK_STEP_PLACE,      /* a long write goes straight to the image */
	DISK_STEP_PLACE_FLUSH,
	DISK_STEP_PLACE_COMMIT,
	DISK_STEP_COMMITTED,  /* durable, nobody told yet */
	DISK_STEP_COPY,       /* old content goes to a snapshot */
	DISK_STEP_COPY_FLUSH,
	DISK_STEP_APPLY,      /* an extent goes to the image */
	DISK_STEP_APPLY_FLUSH,
	DISK_STEP_SUPERBLOCK,
	DISK_STEP_BITMAP,
	DISK_STEP_SNAPSHOT,   /* a snapshot is cut, deleted, held: before each of its durable steps */
	DISK_STEPS
};

#endif
