MODULES += submit
submit_SRCS := $(wildcard lib/submit/*.c)
submit_LDLIBS := -levent_core
