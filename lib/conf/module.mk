MODULES += conf
conf_SRCS := $(wildcard lib/conf/*.c)
conf_LDLIBS := -ljansson
