MODULES += replicator_core
replicator_core_SRCS := $(wildcard replicator/core/*.c)
