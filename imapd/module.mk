MODULES += imapd_core
PROTOS  += imapd/eas/folder/hierarchy.proto
imapd_core_SRCS := $(filter-out imapd/main.c,$(wildcard imapd/*.c imapd/*/*.c imapd/*/*/*.c)) \
                   gen/imapd/eas/folder/hierarchy.pb-c.c
imapd_core_LDLIBS := -lxml2 -lical -ljansson -lxxhash -lz -lprotobuf-c

PROGRAMS += $(if $(wildcard imapd/main.c),imapd)
imapd_MAIN := imapd/main.c
imapd_USES := imapd_core device submit smtp tally storeproto directory net proc conf sasl kv mime base

# The tags of ActiveSync are a table of facts; names and numbers are made out of it.
GENERATED_HDRS += $(BUILD)/gen/imapd/eas/wbxml/tags.gen.h
$(BUILD)/gen/imapd/eas/wbxml/tags.gen.h: imapd/eas/wbxml/tags.awk imapd/eas/wbxml/codepages.tsv
	@mkdir -p $(@D)
	$(Q)awk -f $^ >$@
