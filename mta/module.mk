MODULES += mta_core
PROTOS  += mta/queue/queue.proto mta/outbound/outbound.proto mta/tlspolicy/tlspolicy.proto
mta_core_SRCS := $(filter-out mta/podfilter/%,$(wildcard mta/*/*.c)) gen/mta/queue/queue.pb-c.c gen/mta/outbound/outbound.pb-c.c \
	gen/mta/tlspolicy/tlspolicy.pb-c.c
mta_core_LDLIBS := -lidn2 -ljansson -lprotobuf-c -lz -pthread

PROGRAMS += $(if $(wildcard mta/main.c),mta)
mta_MAIN := mta/main.c
mta_USES := mta_core submit smtp tally storeproto directory dns http net proc conf sasl kv wal mime base

# The filter uses the mta's spool and nothing else of it.
MODULES += podfilter_core
podfilter_core_SRCS := $(filter-out mta/podfilter/main.c,$(wildcard mta/podfilter/*.c mta/podfilter/*/*.c mta/podfilter/*/*/*.c))
podfilter_core_LDLIBS := -lmilter -lm -lspf2 -lopendkim -lopendmarc -lpsl -lidn2 -lz -lcrypto -levent_core -levent_extra -levent_pthreads -ljansson -pthread
PROGRAMS += podfilter
podfilter_MAIN := mta/podfilter/main.c
podfilter_USES := podfilter_core mta_core submit smtp tally storeproto directory dns http net proc conf sasl kv wal mime base
