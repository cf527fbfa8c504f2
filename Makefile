# podmail: one non-recursive Makefile. Each folder names its sources in a module.mk.
#
#   make            build everything into build/ (programs in build/bin)
#   make up         install what is missing, build, start a whole pod here (ARGS=... passes options on)
#   make test       install what is missing, build, run every test
#   make help       the other targets

VARIANT ?= release
ifeq ($(VARIANT),release)
BUILD   ?= build
else
BUILD   ?= build/$(VARIANT)
endif
PREFIX  ?= /usr/local
DESTDIR ?=
PYTHON  ?= python3
Q       ?= @

include scripts/toolchain.mk

all: programs

# ---- modules ---------------------------------------------------------------------------------
# A module.mk says:   MODULES += base
#                     base_SRCS := lib/base/arena.c ...
#                     base_PKGS := (pkg-config names its users have to link)
# and a program says: PROGRAMS += mta
#                     mta_MAIN := mta/main.c     mta_USES := mta_core net base ...
# and what another program loads:   PLUGINS += nbdkit-podmail-plugin
#                     nbdkit-podmail-plugin_OF := the module whose objects it is   ..._USES := as above
MODULES  :=
PROGRAMS :=
PLUGINS  :=
include $(sort $(wildcard lib/*/module.mk) $(wildcard */module.mk))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib = $(BUILD)/lib/lib$(1).a

define module_rules
$(call lib,$(1)): $$(call obj,$$($(1)_SRCS))
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

define program_rules
$(BUILD)/bin/$(1): $$(call obj,$$($(1)_MAIN)) $$(foreach m,$$($(1)_USES),$$(call lib,$$(m)))
$(BUILD)/bin/$(1): private LINK_LIBS := $$(call module_ldlibs,$$($(1)_USES)) $$($(1)_LDLIBS)
endef
# All outside libraries that a list of modules needs, each once, in order of first need.
uniq = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
module_ldlibs = $(call uniq,$(foreach m,$(1),$($(m)_LDLIBS)))
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

define plugin_rules
$(BUILD)/lib/$(1).so: $$(call obj,$$($$($(1)_OF)_SRCS)) $$(foreach m,$$($(1)_USES),$$(call lib,$$(m)))
$(BUILD)/lib/$(1).so: private LINK_LIBS := $$(call module_ldlibs,$$($(1)_OF) $$($(1)_USES))
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rules,$(p))))

programs: $(PROGRAMS:%=$(BUILD)/bin/%) $(PLUGINS:%=$(BUILD)/lib/%.so)

$(BUILD)/bin/%:
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LINK_LIBS)

$(BUILD)/lib/%.so:
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(filter-out -pie,$(LDFLAGS)) -shared -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LINK_LIBS)

$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(if $(Q),@echo "  AR    $@")
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Generated sources live in build/gen and are compiled without our warnings. The INIT macros of their headers
# expand in our code and cast const away, which is said there in the way our warnings take.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	$(if $(Q),@echo "  PROTO $<")
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(@D) $<
	$(Q)sed -i 's/(char \*)protobuf_c_empty_string/(char *) (uintptr_t) protobuf_c_empty_string/g' $(BUILD)/gen/$*.pb-c.h

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<

# Every object may include a generated header, so those come first; they are system headers to the compiler, whose
# dependency files leave those out, so that a changed schema makes all anew (ccache knows what really changed).
GENERATED_HDRS += $(foreach p,$(PROTOS),$(BUILD)/gen/$(p:.proto=.pb-c.h))
$(foreach m,$(MODULES) ,$(eval $(call obj,$($(m)_SRCS)): $(GENERATED_HDRS)))

include scripts/targets.mk
include scripts/checks.mk
include scripts/install.mk

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all programs
