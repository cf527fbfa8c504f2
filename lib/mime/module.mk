MODULES += mime
mime_SRCS := $(wildcard lib/mime/*.c)
