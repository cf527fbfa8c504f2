MODULES += device
PROTOS  += lib/device/device.proto
device_SRCS := $(wildcard lib/device/*.c) gen/lib/device/device.pb-c.c
device_LDLIBS := -lprotobuf-c -lxxhash
