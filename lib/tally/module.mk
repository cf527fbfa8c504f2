MODULES += tally
tally_SRCS := $(wildcard lib/tally/*.c)
tally_LDLIBS := -lxxhash -lm
