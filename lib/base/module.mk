MODULES += base
base_SRCS := $(wildcard lib/base/*.c)
