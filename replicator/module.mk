# One library for each room. All objects are position-independent, so that the plugin can be made of them.
MODULES += replicator_core replicator_disk replicator_snapshot replicator_link replicator_attach
replicator_core_SRCS := $(wildcard replicator/core/*.c)
replicator_core_LDLIBS := -lxxhash
replicator_disk_SRCS := $(wildcard replicator/disk/*.c)
replicator_disk_LDLIBS := -luring -pthread
replicator_snapshot_SRCS := $(wildcard replicator/snapshot/*.c)
replicator_snapshot_LDLIBS := -lxxhash -ljansson -pthread
replicator_link_SRCS := $(wildcard replicator/link/*.c)
replicator_link_LDLIBS := -llz4 -lzstd -lssl -lcrypto -pthread
replicator_attach_SRCS := $(filter-out replicator/attach/main.c,$(wildcard replicator/attach/*.c))
replicator_attach_LDLIBS := -lnbd -lfuse3 -lmnl -lblkid -pthread

PROGRAMS += volattach
volattach_MAIN := replicator/attach/main.c
volattach_USES := replicator_attach proc base

# The plugin's objects are linked as they are: nbdkit finds plugin_init in them.
MODULES += replicator_plugin replicator_cli
replicator_plugin_SRCS := $(wildcard replicator/plugin/*.c)
replicator_plugin_LDLIBS := -ljansson -pthread
replicator_cli_SRCS := $(filter-out replicator/cli/sanitizer_first.c,$(wildcard replicator/cli/*.c))
replicator_cli_LDLIBS := -ljansson
PLUGINS += nbdkit-podmail-plugin
nbdkit-podmail-plugin_OF := replicator_plugin
nbdkit-podmail-plugin_USES := replicator_link replicator_disk replicator_snapshot replicator_core net proc conf base

PROGRAMS += $(if $(wildcard replicator/main.c),replicator)
replicator_MAIN := replicator/main.c
replicator_USES := replicator_cli replicator_plugin replicator_disk replicator_snapshot replicator_core net proc conf base

# What nbdkit, which is Debian's, loads before a plugin that was built with a sanitizer.
ifneq ($(filter asan tsan,$(VARIANT)),)
$(BUILD)/lib/sanitizer-first.so: $(BUILD)/obj/replicator/cli/sanitizer_first.o
$(BUILD)/obj/replicator/cli/sanitizer.o: private CPPFLAGS += -DSANITIZER_FIRST='"$(abspath $(BUILD))/lib/sanitizer-first.so"'
$(BUILD)/lib/sanitizer-first.so: private LDFLAGS += -Wl,-z,initfirst
programs: $(BUILD)/lib/sanitizer-first.so
# What is found at the end still has to be given names.
$(BUILD)/lib/nbdkit-podmail-plugin.so: private LDFLAGS += -Wl,-z,nodelete
endif
