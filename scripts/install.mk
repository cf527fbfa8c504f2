# Running a pod from the tree, installing, and the parts of the manual that come from the programs themselves.

# ---- up ------------------------------------------------------------------------------------------
up: deps all
	@exec $(BUILD)/bin/podctl up $(ARGS)
.PHONY: up

# ---- manual --------------------------------------------------------------------------------------
# podctl(1) and podmail.conf(5) hold what the programs print about themselves, between two marks: `make man` puts
# it there anew, and a test fails where that was forgotten.
MAN_PAGES := $(wildcard docs/man/*.[158])

man: all
	$(Q)scripts/man-update docs/man/podctl.1 $(BUILD)/bin/podctl help --man
	$(Q)scripts/man-update docs/man/podmail.conf.5 $(BUILD)/bin/podctl config man
.PHONY: man

# ---- install -------------------------------------------------------------------------------------
# The programs stay together, where podctl and podd look for the others, and replicator for its plugin; only podctl is
# in the path.
LIBDIR  = $(PREFIX)/lib/podmail
MANDIR  = $(PREFIX)/share/man
UNITDIR = $(PREFIX)/lib/systemd/system

install: all
	install -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR)
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(PROGRAMS:%=$(BUILD)/bin/%) $(DESTDIR)$(LIBDIR)
	install -m 644 $(PLUGINS:%=$(BUILD)/lib/%.so) $(DESTDIR)$(LIBDIR)
	ln -sfn ../lib/podmail/podctl $(DESTDIR)$(PREFIX)/bin/podctl
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	$(BUILD)/bin/podctl completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/podctl
	sed 's|@PREFIX@|$(PREFIX)|g' podctl/podmail.service >$(DESTDIR)$(UNITDIR)/podmail.service
.PHONY: install
