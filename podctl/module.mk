MODULES += pod_core podd_core podctl_core
pod_core_SRCS := $(wildcard podctl/pod/*.c)
podd_core_SRCS := $(wildcard podctl/podd/*.c)
podd_core_LDLIBS := -levent_core -levent_extra -ljansson -lcrypto -lxxhash
podctl_core_SRCS := $(filter-out podctl/main.c podctl/podd_main.c,$(wildcard podctl/*.c)) $(wildcard podctl/drill/*.c)
podctl_core_LDLIBS := -ljansson

PROGRAMS += $(if $(wildcard podctl/podd_main.c),podd) $(if $(wildcard podctl/main.c),podctl)
podd_MAIN := podctl/podd_main.c
podd_USES := podd_core pod_core replicator_core tally device storeproto directory net proc conf kv mime base
podctl_MAIN := podctl/main.c
podctl_USES := podctl_core pod_core http conf net base
