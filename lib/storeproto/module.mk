MODULES += storeproto
PROTOS  += lib/storeproto/podstore.proto
storeproto_SRCS := $(wildcard lib/storeproto/*.c) gen/lib/storeproto/podstore.pb-c.c
storeproto_LDLIBS := -lprotobuf-c
