MODULES += kv
kv_SRCS := $(wildcard lib/kv/*.c)
kv_LDLIBS := -llmdb
