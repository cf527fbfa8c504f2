#include "conf/pod.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_STRING(pod_conf, name, "pod1", conf_check_name, "Name of the pod."),
	CONF_STRING(pod_conf, site, "site1", conf_check_name, "Name of the site that this host stands in."),
	CONF_STRING(pod_conf, host, "host1", conf_check_name, "Name of this host in the directory."),
	CONF_DOMAIN(pod_conf, domain, "example.test", NULL, conf_check_domain,
	        "The pod's own domain: of postmaster without a domain, and of host names. International "
	        "names are written in their xn-- form."),
	CONF_PATH_DERIVED(pod_conf, dir, "the folder of the configuration file",
	        "Folder of the pod. Every other relative path is taken from here; this one from the "
	        "folder of the configuration file."),
	CONF_PATH(pod_conf, run_dir, "run",
	        "Sockets, process ids and counters: what need not survive a restart."),
	CONF_PATH(pod_conf, directory_dir, "directory", "The directory's database."),
	CONF_PATH(pod_conf, volumes_dir, "volumes", "Where new volumes are made and mounted."),
	CONF_STRING(pod_conf, listen_address, "127.0.0.1", conf_check_host,
	        "Address of every listener that has none of its own; \"*\" for all."),
	CONF_COUNT(pod_conf, base_port, "0", "0", "64000",
	        "Added to the well-known port of every listener that has no address of its own, so that "
	        "several pods share a machine."),
	CONF_STRING(pod_conf, user_mta, "podmail-mta", conf_check_user,
	        "User that mta runs as when started by root; empty: it stays who started it."),
	CONF_STRING(pod_conf, user_imap, "podmail-imap", conf_check_user, "The same for imapd."),
	CONF_STRING(pod_conf, user_store, "podmail-store", conf_check_user, "The same for stored."),
	CONF_STRING(pod_conf, user_repl, "podmail-repl", conf_check_user, "The same for the replicators."),
	CONF_STRING(pod_conf, user_filter, "podmail-filter", conf_check_user, "The same for podfilter."),
	CONF_NETWORKS(pod_conf, proxy_protocol_from, "",
	        "Load balancers: connections from these addresses and networks have to begin with a PROXY "
	        "protocol header, and its client address is believed. Over HTTPS it comes before TLS."),
};
/* clang-format on */

const struct conf_section conf_section_pod = {
	.name = "pod",
	.help = "What all programs of the pod share.",
	.offset = offsetof(struct conf, pod),
	.items = items,
	.n = ARRAY_SIZE(items),
};
