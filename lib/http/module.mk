MODULES += http
http_SRCS := $(wildcard lib/http/*.c)
http_LDLIBS := -lcurl -levent_core -levent_extra -ljansson
