MODULES += wal
wal_SRCS := $(wildcard lib/wal/*.c)
