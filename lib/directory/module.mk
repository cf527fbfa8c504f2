MODULES += directory
PROTOS  += lib/directory/records.proto
directory_SRCS := $(wildcard lib/directory/*.c) gen/lib/directory/records.pb-c.c
directory_LDLIBS := -lprotobuf-c
