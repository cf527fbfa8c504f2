#include "conf/replication.h"

#include "conf/item.h"

static const char *const volumes[] = {
	[REPLICATION_VOLUMES_AUTO] = "auto",
	[REPLICATION_VOLUMES_REPLICATED] = "replicated",
	[REPLICATION_VOLUMES_DIRECTORY] = "directory",
	NULL,
};
static const char *const modes[] = {
	[REPLICATION_SYNC] = "sync",
	[REPLICATION_SEMI_SYNC] = "semi-sync",
	[REPLICATION_ASYNC] = "async",
	NULL,
};
static const char *const compressions[] = {
	[REPLICATION_COMPRESS_NONE] = "none",
	[REPLICATION_COMPRESS_LZ4] = "lz4",
	[REPLICATION_COMPRESS_ZSTD] = "zstd",
	NULL,
};

/* clang-format off */
static const struct conf_item items[] = {
	CONF_CHOICE(replication_conf, volumes, "auto", volumes,
	        "What new volumes are: replicated, plain directories, or (auto) replicated where this host "
	        "can do that and directories where it cannot."),
	CONF_CHOICE(replication_conf, mode, "sync", modes,
	        "How a flush waits for the standby of a new volume: until it is on its disk (sync), until it "
	        "was received (semi-sync), or not at all (async)."),
	CONF_STRING(replication_conf, standby_site, "site2", conf_check_name,
	        "The site that holds the other replica of new volumes. On one machine it is a second folder "
	        "with processes of its own."),
	CONF_PATH(replication_conf, sites_dir, "sites",
	        "Where replicas lie: SITE/VOLUME below this folder. SITE may be a mount of another disk."),
	CONF_PATH(replication_conf, stage_dir, "/dev/shm",
	        "A folder in memory (tmpfs), for the newest part of each replica's log."),
	CONF_STRING(replication_conf, link_address, "127.0.0.1", conf_check_host,
	        "Address at which the replicas of this host are reached by the others."),
	CONF_COUNT(replication_conf, first_port, "0", "0", "64000",
	        "First port of the replicas, each new one takes the next that is free. 0: pod.base_port + 200, "
	        "or 7200 where that would be a port for root."),
	CONF_SIZE(replication_conf, volume_size, "2G", "64M", "64T",
	        "Size of new volumes. They take up what is written on them, not this; they can grow."),
	CONF_SIZE(replication_conf, log_size, "128M", "16M", "64G",
	        "Size of the log of each replica of new volumes: as much of an outage is caught up exactly."),
	CONF_TIME(replication_conf, sync_wait, "5s", "100ms", "10m",
	        "How long a flush waits for a standby that does not answer, before that is struck from the "
	        "list of those in sync and mail goes on without it."),
	CONF_SIZE(replication_conf, resync_rate, "0", "0", "1T",
	        "So much of a volume is compared a second, at most, while a replica is resynchronised or verified: what "
	        "is left of disks and lines is for the mail. 0: as fast as it goes. Taken when a replicator starts."),
	CONF_CHOICE(replication_conf, compress, "none", compressions,
	        "Whether what a primary of this host sends its standbys is compressed: for a line between the sites that is "
	        "slower than a processor packs. lz4 costs little; zstd costs more, and also packs attachments. Small frames "
	        "and what does not shrink by an eighth go as they are. Taken when a replicator starts."),
	CONF_TIME(replication_conf, failover_after, "10s", "0", "1h",
	        "When a primary has been dead for so long and the standby is in sync, the standby takes over "
	        "by itself. 0: only when an admin says so."),
	CONF_BOOL(replication_conf, snapshots, "yes",
	        "Snapshots of every replicated volume at 00:00, 08:00 and 16:00 UTC, each volume some minutes later, "
	        "always the same. Five that are complete at all sites are kept."),
	CONF_TIME(replication_conf, freeze_limit, "2s", "0", "30s",
	        "How long a file system may be held still for a snapshot; beyond it the snapshot is as after a "
	        "loss of power, which is as good, with a journal to be replayed. 0: it is never held still."),
};
/* clang-format on */

const struct conf_section conf_section_replication = {
	.name = "replication",
	.help = "Volumes that are held, block for block, at a second site.",
	.offset = offsetof(struct conf, replication),
	.items = items,
	.n = ARRAY_SIZE(items),
};
