# Everything that is not compiling a program: dependencies, tests, checks, installation.

PROGRAM_CORES := $(foreach p,$(PROGRAMS),$(if $($(p)_core_SRCS),$(p)_core))
ALL_MODULES   := $(MODULES)

# ---- tests -------------------------------------------------------------------------------------
# tests/unit/test_NAME.c is one cmocka program; it may use every module.
UNIT_SRCS  := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SRCS))
SUPPORT_SRCS := $(wildcard tests/support/*.c)

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(SUPPORT_SRCS)) $(foreach m,$(ALL_MODULES),$(call lib,$(m)))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call module_ldlibs,$(ALL_MODULES)) -lcmocka

$(call obj,$(UNIT_SRCS) $(SUPPORT_SRCS)): | $(GENERATED_HDRS)

unit-build: $(UNIT_TESTS)
unit: $(UNIT_TESTS)
	$(Q)scripts/run-unit $(UNIT_TESTS)

# ---- fuzzing -----------------------------------------------------------------------------------
# tests/fuzz/fuzz_NAME.c has LLVMFuzzerTestOneInput; its seeds and finds are in tests/fuzz/corpus/NAME/.
# In the fuzz variant they are libFuzzer programs; in all others they run the corpus once, as a test.
FUZZ_SRCS  := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BINS  := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ_SRCS))
FUZZ_MAIN  := $(if $(filter fuzz,$(VARIANT)),,$(call obj,tests/fuzz/run_corpus.c))

$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $(foreach m,$(ALL_MODULES),$(call lib,$(m)))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call module_ldlibs,$(ALL_MODULES))

$(call obj,$(FUZZ_SRCS)): | $(GENERATED_HDRS)

fuzz-build: $(FUZZ_BINS)
fuzz-corpus: $(FUZZ_BINS)
	$(Q)scripts/run-fuzz-corpus $(FUZZ_BINS)

.PHONY: unit unit-build fuzz-build fuzz-corpus clean
clean:
	rm -rf build
