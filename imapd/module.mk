MODULES += imapd_core
imapd_core_SRCS := $(wildcard imapd/*/*.c)

PROGRAMS += $(if $(wildcard imapd/main.c),imapd)
imapd_MAIN := imapd/main.c
imapd_USES := imapd_core storeproto directory net proc conf sasl kv mime base
