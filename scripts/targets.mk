# Everything that is not compiling a program: dependencies, tests, running, installing. Checks: checks.mk.

ALL_MODULES := $(MODULES)

# ---- dependencies --------------------------------------------------------------------------------
deps:
	$(Q)scripts/install-deps build run test
.PHONY: deps

# Mail servers that tests speak with.
peers: deps
	$(Q)scripts/fetch-peers build/peers postfix exim4-daemon-light exim4-base opensmtpd
.PHONY: peers

# ---- everything ----------------------------------------------------------------------------------
# The parts run one after the other in one make, so that the whole result is known even when one fails.
test: deps peers
	$(Q)rm -f $(BUILD)/summary
	$(Q)$(MAKE) --no-print-directory all unit-build fuzz-build component-build
	$(Q)failed=; for part in layers docs symbols unit fuzz-corpus component component-python; do \
		$(MAKE) --no-print-directory $$part || failed="$$failed $$part"; \
	done; \
	awk '{ p += $$1; f += $$2 } END { printf "%d passed, %d failed\n", p, f }' $(BUILD)/summary; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }
.PHONY: test

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

$(call obj,$(UNIT_SRCS) $(SUPPORT_SRCS)): $(GENERATED_HDRS)

# Tests whose file calls go through a disk whose power can be cut.
VOLATILE_DISK := $(call obj,tests/fault/volatile_disk.c)
$(BUILD)/tests/unit/test_replicator_snapshot: $(VOLATILE_DISK)
$(BUILD)/tests/unit/test_replicator_place_simulator: $(VOLATILE_DISK) $(call obj,tests/fault/cut_history.c)

unit-build: $(UNIT_TESTS)
unit: $(UNIT_TESTS)
	$(Q)scripts/run-tests unit $(BUILD)/summary $(UNIT_TESTS)

# ---- components --------------------------------------------------------------------------------
# tests/component/test_NAME.c drives real daemons from a cmocka program, test_NAME.py from Python with clients
# that are not ours. They find the programs in $PODMAIL_BIN.
COMPONENT_SRCS  := $(wildcard tests/component/test_*.c tests/fault/test_*.c)
COMPONENT_TOOLS := tests/component/mime_dump.c tests/component/outbound_job.c tests/component/scripted_milter.c
COMPONENT_TOOL_BINS := $(patsubst %.c,$(BUILD)/%,$(COMPONENT_TOOLS))
COMPONENT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(COMPONENT_SRCS))
COMPONENT_PY    := $(wildcard tests/component/test_*.py tests/fault/test_*.py)
RUN_IN_TREE     := PODMAIL_BIN=$(CURDIR)/$(BUILD)/bin PYTHONPATH=$(CURDIR)/tests/support PYTHON=$(PYTHON)

$(BUILD)/tests/fault/test_replicator_cuts: $(VOLATILE_DISK) $(call obj,tests/fault/cut_history.c tests/fault/cut_replica.c)
$(BUILD)/tests/component/test_queue: $(call obj,tests/component/queue_rig.c)
$(COMPONENT_TESTS) $(COMPONENT_TOOL_BINS): \
		$(BUILD)/%: $(BUILD)/obj/%.o $(call obj,$(SUPPORT_SRCS)) $(foreach m,$(ALL_MODULES),$(call lib,$(m)))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call module_ldlibs,$(ALL_MODULES)) -lcmocka

$(call obj,$(COMPONENT_SRCS) $(COMPONENT_TOOLS)): $(GENERATED_HDRS)

component-build: $(COMPONENT_TESTS)
component: all $(COMPONENT_TESTS)
	$(Q)$(if $(COMPONENT_TESTS),$(RUN_IN_TREE) scripts/run-tests component $(BUILD)/summary $(COMPONENT_TESTS))
component-python: all $(COMPONENT_TOOL_BINS)
	$(Q)$(if $(COMPONENT_PY),$(RUN_IN_TREE) scripts/run-tests component-python $(BUILD)/summary $(COMPONENT_PY))
.PHONY: component component-build component-python

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

$(call obj,$(FUZZ_SRCS)): $(GENERATED_HDRS)

fuzz-build: $(FUZZ_BINS)
fuzz-corpus: $(FUZZ_BINS)
	$(Q)scripts/run-fuzz-corpus $(BUILD)/summary $(FUZZ_BINS)

# ---- benchmarks of one module, without the rest of a pod: bench/store_NAME.c, replicator_NAME.c----------------
BENCH_SRCS := $(wildcard bench/store_*.c bench/replicator_*.c)
BENCH_BINS := $(patsubst bench/%.c,$(BUILD)/bench/%,$(BENCH_SRCS))

$(BENCH_BINS): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(foreach m,$(ALL_MODULES),$(call lib,$(m)))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LINK  $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call module_ldlibs,$(ALL_MODULES))

$(call obj,$(BENCH_SRCS)): $(GENERATED_HDRS)

bench-build: $(BENCH_BINS)

.PHONY: bench-build unit unit-build fuzz-build fuzz-corpus
