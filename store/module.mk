MODULES += store_core
store_core_SRCS := $(wildcard store/*/*.c) $(filter-out store/main.c,$(wildcard store/*.c))
store_core_LDLIBS := -lsasl2 -lcrypt -ljansson -lxxhash -pthread

PROGRAMS += $(if $(wildcard store/main.c),stored)
stored_MAIN := store/main.c
stored_USES := store_core storeproto directory net proc conf kv wal mime base
