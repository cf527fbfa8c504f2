MODULES += smtp
smtp_SRCS := $(wildcard lib/smtp/*.c)
smtp_LDLIBS := -lsasl2
