MODULES += sasl
sasl_SRCS := $(wildcard lib/sasl/*.c)
sasl_LDLIBS := -lcrypto
