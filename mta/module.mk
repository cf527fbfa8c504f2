MODULES += mta_core
PROTOS  += mta/queue/queue.proto
mta_core_SRCS := $(wildcard mta/*/*.c) gen/mta/queue/queue.pb-c.c
mta_core_LDLIBS := -ljansson -lprotobuf-c -pthread

PROGRAMS += $(if $(wildcard mta/main.c),mta)
mta_MAIN := mta/main.c
mta_USES := mta_core storeproto directory net proc conf sasl kv mime base
