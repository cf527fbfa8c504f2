MODULES += net
net_SRCS := $(wildcard lib/net/*.c)
net_LDLIBS := -levent_openssl -levent_core -levent_extra -lssl -lcrypto
