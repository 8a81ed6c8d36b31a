# install.mk - where things go, the programs that know it, and `make install` and `uninstall`; included by
# the Makefile. packaging/install.sh has the list of what goes where.
#
# The one idea: `make` builds everything, `make install` copies. Who installs for another (`sudo make
# install` in your own tree) compiles nothing and leaves nothing of root's in the build.

PREFIX     ?= /usr/local
DESTDIR    ?=
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
DOCDIR     ?= $(DATADIR)/doc/bitnet
# Where the shells look for what completes words.
BASHDIR    ?= $(DATADIR)/bash-completion/completions
ZSHDIR     ?= $(DATADIR)/zsh/site-functions
FISHDIR    ?= $(DATADIR)/fish/vendor_completions.d
PLUGINDIR  ?= $(LIBDIR)/bitnet/plugins
MODELDIR   ?= $(DATADIR)/bitnet

# What paths.c is told: $(1) the folder of plugins, $(2) the model, and both from $(3), where the program or
# the library lies, so that all can be moved together.
beside = $(shell realpath -m --relative-to=$(call q,$(2)) $(call q,$(1)))
places = $(call q,-DBNT_PLUGIN_DIR="$(1)") $(call q,-DBNT_MODEL="$(2)") \
    $(call q,-DBNT_PLUGIN_BESIDE="$(call beside,$(1),$(3))") $(call q,-DBNT_MODEL_BESIDE="$(call beside,$(2),$(3))")

# Made anew when a folder changes.
PATHS_INSTALLED := $(BUILD)/obj/core/plugin/paths-installed.o
PATHS_LIBRARY   := $(BUILD)/obj/core/plugin/paths-library.o
MODEL_INSTALLED  = $(MODELDIR)/$(notdir $(MODEL))
FOLDERS          = $(BINDIR) $(LIBDIR) $(PLUGINDIR) $(MODEL_INSTALLED)
$(BUILD)/folders: FORCE
	$(call stamp,$(FOLDERS))
compile_paths = $(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) \
	    $(call places,$(PLUGINDIR),$(MODEL_INSTALLED),$(1)) -c -o $@ $<
$(PATHS_INSTALLED): core/plugin/paths.c $(BUILD)/folders $(BUILD)/flags
	@mkdir -p $(@D)
	$(call compile_paths,$(BINDIR))
$(PATHS_LIBRARY): core/plugin/paths.c $(BUILD)/folders $(BUILD)/flags
	@mkdir -p $(@D)
	$(call compile_paths,$(LIBDIR))

$(BUILD)/bitnet-installed: $(CMD_OBJ) $(PATHS_INSTALLED) $(SERVE) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CMD_LIBS) $(CORE_LIBS)
$(BUILD)/bitnet-checkkern-installed: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/checkkern/*.c)) $(PATHS_INSTALLED) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

# Manual pages with the version in them, and one for each command.
PAGES := $(patsubst docs/%,$(BUILD)/man/%,$(wildcard docs/*.[13]))
$(PAGES): $(BUILD)/man/%: docs/% packaging/pages.awk Makefile
	@mkdir -p $(@D)
	$(call run,MAN,$@)sed 's/@VERSION@/$(VERSION)/g' $< >$@
	@$(if $(filter %/bitnet.1,$@),rm -rf $(@D)/commands && mkdir $(@D)/commands && awk -v OUT=$(@D)/commands -f packaging/pages.awk $@ $@)

.PHONY: installable install uninstall
installable: $(BUILD)/bitnet-installed $(BUILD)/bitnet-checkkern-installed $(PAGES)

# Is the build somebody else's? Then it is taken as it is, if it is there and for these folders.
ANOTHERS := $(shell [ "$$(id -u)" = "$$(stat -c %u $(BUILD) 2>/dev/null || stat -c %u .)" ] || echo yes)
INSTALLER = env BUILD=$(call q,$(BUILD)) VERSION=$(call q,$(VERSION)) SONAME=$(SONAME) MODEL=$(call q,$(MODEL)) \
    PLUGINS=$(call q,$(notdir $(filter-out %/ref-scalar.so,$(PLUGIN_FILES)))) FOLDERS=$(call q,$(FOLDERS)) \
    $(foreach v,DESTDIR PREFIX BINDIR LIBDIR INCLUDEDIR DATADIR MANDIR DOCDIR PLUGINDIR MODELDIR BASHDIR ZSHDIR FISHDIR,$(v)=$(call q,$($(v)))) \
    packaging/install.sh
install: $(if $(ANOTHERS),,installable plugins library)
	@$(INSTALLER) install
uninstall:
	@$(INSTALLER) uninstall
