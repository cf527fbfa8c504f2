MODULES += dns
dns_SRCS := $(wildcard lib/dns/*.c)
dns_LDLIBS := -lunbound -lresolv
