MODULES += imapd_core
imapd_core_SRCS := $(filter-out imapd/main.c,$(wildcard imapd/*.c imapd/*/*.c))

PROGRAMS += $(if $(wildcard imapd/main.c),imapd)
imapd_MAIN := imapd/main.c
imapd_USES := imapd_core tally storeproto directory net proc conf sasl kv mime base
