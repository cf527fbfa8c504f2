MODULES += mta_core
mta_core_SRCS := $(wildcard mta/*/*.c)

PROGRAMS += $(if $(wildcard mta/main.c),mta)
mta_MAIN := mta/main.c
mta_USES := mta_core storeproto directory net proc conf sasl kv mime base
