MODULES += mta_core
PROTOS  += mta/queue/queue.proto mta/outbound/outbound.proto
mta_core_SRCS := $(wildcard mta/*/*.c) gen/mta/queue/queue.pb-c.c gen/mta/outbound/outbound.pb-c.c
mta_core_LDLIBS := -ljansson -lprotobuf-c -pthread

PROGRAMS += $(if $(wildcard mta/main.c),mta)
mta_MAIN := mta/main.c
mta_USES := mta_core storeproto directory net proc conf sasl kv mime base
