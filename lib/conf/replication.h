/* Section replication: volumes that are written at one site and held, block for block, at another. */
#ifndef POD_CONF_REPLICATION_H
#define POD_CONF_REPLICATION_H

#include <stdbool.h>
#include <stdint.h>

enum replication_volumes {
	REPLICATION_VOLUMES_AUTO, /* replicated where this host can, else directories that say why not */
	REPLICATION_VOLUMES_REPLICATED,
	REPLICATION_VOLUMES_DIRECTORY,
};

enum replication_mode { REPLICATION_SYNC, REPLICATION_SEMI_SYNC, REPLICATION_ASYNC };

enum replication_compress { REPLICATION_COMPRESS_NONE, REPLICATION_COMPRESS_LZ4, REPLICATION_COMPRESS_ZSTD };

struct replication_conf {
	unsigned int volumes; /* enum replication_volumes */
	unsigned int mode;    /* enum replication_mode, of new volumes */
	unsigned int compress; /* enum replication_compress */
	const char *standby_site;
	const char *sites_dir, *stage_dir;
	const char *link_address;
	unsigned int first_port; /* 0: pod.base_port + 200, or 7200 where that is a port for root */
	uint64_t volume_size, log_size, resync_rate;
	uint64_t sync_wait_ms, failover_after_ms;
	bool snapshots;
	uint64_t freeze_limit_ms;
};

#endif
