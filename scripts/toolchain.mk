# Compiler, flags and variants. A variant is a whole build tree of its own: build/asan, build/tsan, build/fuzz.
# All objects are position-independent (-fPIC): programs link as PIE, and the NBD plugin is a shared object of them.

CC       ?= cc
ifeq ($(origin CC),default)
CC       := $(if $(shell command -v ccache),ccache gcc,gcc)
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla \
            -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wundef \
            -Wno-unused-parameter -Wno-missing-field-initializers
# For quoted includes only: <sasl/sasl.h> is libsasl2's, "sasl/sasl.h" is ours.
CPPFLAGS += -D_GNU_SOURCE -iquote . -iquote lib -isystem $(BUILD)/gen -isystem $(BUILD)/gen/lib -isystem /usr/include/libxml2
CFLAGS   += -std=gnu17 -g -fPIC -fno-strict-aliasing -fvisibility=hidden $(WARNINGS)
LDFLAGS  += -Wl,--as-needed

ifeq ($(VARIANT),release)
CPPFLAGS += -D_FORTIFY_SOURCE=2
CFLAGS   += -O2 -fstack-protector-strong
LDFLAGS  += -pie -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),asan)
CFLAGS   += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS  += -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
CFLAGS   += -O1 -fno-omit-frame-pointer -fsanitize=thread
LDFLAGS  += -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
CC       := clang
CFLAGS   += -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
            -Wno-unknown-warning-option -Wno-cast-qual # clang sees the casts inside OpenSSL's macros as ours
LDFLAGS  += -fsanitize=address,undefined
else
$(error VARIANT is one of release, asan, tsan, fuzz; not "$(VARIANT)")
endif
