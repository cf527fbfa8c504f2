# What looks at the code rather than running it, and the runs that take long.

ALL_SRCS := $(shell git ls-files -co --exclude-standard '*.c' 2>/dev/null)
ALL_HDRS := $(shell git ls-files -co --exclude-standard '*.h' 2>/dev/null)

check: test
	$(Q)$(MAKE) --no-print-directory asan
	$(Q)$(MAKE) --no-print-directory tsan
	$(Q)$(MAKE) --no-print-directory tidy layers docs
	$(Q)scripts/check-docs
	$(Q)$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=20

# Variants: the same tests in a tree of their own. Reports go to files, so that those of daemons are seen as well:
# a test is failed by any that is written while it runs (scripts/run-tests). nbdkit itself has no ThreadSanitizer in it, but
# the runtime sees its locks: of the tests in Python those are run that have many threads in the replicator's plugin.
sanitizer_reports = $(CURDIR)/build/$(1)/reports
sanitizer_options = SANITIZER_REPORTS=$(call sanitizer_reports,$(1)) \
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:log_path=$(call sanitizer_reports,$(1))/asan \
	UBSAN_OPTIONS=print_stacktrace=1:log_path=$(call sanitizer_reports,$(1))/ubsan \
	LSAN_OPTIONS=suppressions=$(CURDIR)/scripts/lsan.supp:print_suppressions=0 \
	TSAN_OPTIONS=halt_on_error=1:suppressions=$(CURDIR)/scripts/tsan.supp:log_path=$(call sanitizer_reports,$(1))/tsan
asan:
	$(Q)$(call sanitizer_options,asan) $(MAKE) --no-print-directory VARIANT=asan all unit fuzz-corpus component component-python
tsan:
	$(Q)$(call sanitizer_options,tsan) $(MAKE) --no-print-directory VARIANT=tsan all unit component component-python \
		COMPONENT_PY="tests/component/test_replicator_nbd_clients.py tests/fault/test_replication_link.py"

# A round of fuzzing of every target (FUZZ_SECONDS each), or of one (FUZZ_TARGET=imap). New inputs that show
# something go to build/fuzz/corpus; crashes to build/fuzz/crashes: keep those in tests/fuzz/corpus once mended.
FUZZ_SECONDS ?= 60
FUZZ_TARGET  ?=
fuzz:
	$(Q)scripts/install-deps check
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzz-build
	$(Q)scripts/run-fuzz $(FUZZ_SECONDS) build/fuzz/tests/fuzz/fuzz_$(or $(FUZZ_TARGET),*)

layers:
	$(Q)scripts/layers
	$(Q)scripts/check-options

# Names that are defined twice in a program: the linker does not say so of archives.
symbols: $(foreach p,$(PROGRAMS),symbols-$(p))
symbols-%: $(BUILD)/bin/%
	$(Q)scripts/check-symbols $* $(foreach m,$($*_USES),$(call lib,$(m)))
.PHONY: symbols

# Whether the page of the wire format still says what the code does.
docs:
	$(Q)scripts/check-store-protocol

compile_commands.json: Makefile scripts/toolchain.mk $(ALL_SRCS)
	$(Q)CC=gcc FLAGS='$(CPPFLAGS) $(CFLAGS)' scripts/compile-commands $(ALL_SRCS) >$@.new && mv $@.new $@

# clang-tidy on all sources, or on TIDY="file ...".
TIDY ?= $(filter-out tests/%,$(ALL_SRCS))
tidy: $(GENERATED_HDRS)
	$(Q)scripts/install-deps check
	$(Q)$(MAKE) --no-print-directory compile_commands.json
	$(Q)printf '%s\n' $(TIDY) | xargs -P 2 -n 4 clang-tidy --quiet -p . 2>/dev/null

format:
	$(Q)scripts/install-deps check
	$(Q)clang-format -i $(ALL_SRCS) $(ALL_HDRS)

bench: all
	$(Q)scripts/install-deps build run bench
	$(Q)bench/run $(ARGS)

# The replicator beside nbdkit's file plugin, and with peers beside itself without one.
bench-replicator: all
	$(Q)scripts/install-deps build run test
	$(Q)bench/replicator $(ARGS)
.PHONY: bench-replicator

# The long runs of the fault tests, once before a release; their figures are in bench/RESULTS.md.
soak: all component-build
	$(Q)scripts/install-deps build run test
	$(Q)$(RUN_IN_TREE) PODMAIL_KILL_CYCLES=300 $(PYTHON) tests/fault/test_kill.py
	$(Q)$(RUN_IN_TREE) PODMAIL_QUEUE_KILLS=300 $(PYTHON) tests/fault/test_queue_kill.py QueueKillTest
	$(Q)$(RUN_IN_TREE) PODMAIL_POWER_CUTS=50 $(PYTHON) tests/fault/test_power_cut.py
	$(Q)$(RUN_IN_TREE) PODMAIL_POWER_CUTS=30 $(PYTHON) tests/fault/test_queue_power_cut.py
	$(Q)PODMAIL_CUTS=1000 $(BUILD)/tests/fault/test_replicator_cuts
	$(Q)$(RUN_IN_TREE) PODMAIL_EXT4_CYCLES=50 $(PYTHON) tests/fault/test_replication_ext4.py

# Two nodes with real kernels: see tests/rig/README.md. Needs root.
rig: deps all
	$(Q)scripts/install-deps rig
	$(Q)$(RUN_IN_TREE) $(PYTHON) tests/rig/test_kernel_nbd.py
	$(Q)$(RUN_IN_TREE) $(PYTHON) tests/rig/grow.py
	$(Q)$(RUN_IN_TREE) $(PYTHON) tests/rig/compare.py $(ARGS)
	$(Q)$(RUN_IN_TREE) $(PYTHON) tests/rig/low_memory.py

clean:
	rm -rf build compile_commands.json

help:
	@sed -n 's/^#   //p' Makefile
	@echo "make check      tests, sanitizers, clang-tidy, layers, a round of fuzzing"
	@echo "make asan tsan  the tests under sanitizers     make fuzz [FUZZ_TARGET=imap FUZZ_SECONDS=600]"
	@echo "make bench      figures beside Postfix and Dovecot     make soak     the long runs"
	@echo "make bench-replicator     figures of the replicator beside nbdkit's file plugin"
	@echo "make rig        two nodes with real kernels: the kernel's nbd, figures beside DRBD, little memory"
	@echo "make tidy format layers docs     make install [DESTDIR= PREFIX=/usr/local]     make clean"

.PHONY: check asan tsan fuzz layers docs tidy format bench soak rig clean help
