# library.mk - builds and installs the public library: libbitnet.so, libbitnet.a, headers, bitnet.pc.
# Included by the Makefile. The library is the engine without the command, the receipts and the
# proofs and the hub; both forms show only what bitnet.h and status.h declare with BNT_API.

SONAME      := libbitnet.so.0
LIB_SHARED  := $(BUILD)/lib/$(SONAME)
LIB_STATIC  := $(BUILD)/lib/libbitnet.a
PUBLIC_OBJ   = $(filter-out $(BUILD)/obj/receipts/% $(BUILD)/obj/core/parity/% $(BUILD)/obj/core/hub/%,$(LIB_OBJ)) $(PATHS_INSTALLED)
PUBLIC_LIBS  = $(shell $(PKG_CONFIG) --libs hwloc libcrypto libutf8proc) -ldl -lpthread -lm
OBJCOPY     ?= $(shell $(CC) -print-prog-name=objcopy)

.PHONY: library install-library uninstall-library
library: $(LIB_SHARED) $(LIB_STATIC)

# Where things lie once installed; made anew when PREFIX or MODEL changes.
PATHS_INSTALLED := $(BUILD)/obj/core/plugin/paths-installed.o
INSTALLED_PATHS := -DBNT_PLUGIN_DIR='"$(PREFIX)/lib/bitnet/plugins"' \
                   -DBNT_MODEL='"$(PREFIX)/share/bitnet/$(notdir $(MODEL))"' \
                   -DBNT_PLUGIN_BESIDE='"../lib/bitnet/plugins"' \
                   -DBNT_MODEL_BESIDE='"../share/bitnet/$(notdir $(MODEL))"'
$(BUILD)/paths-installed: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(notdir $(MODEL))' | cmp -s - $@ || echo '$(PREFIX) $(notdir $(MODEL))' >$@
$(PATHS_INSTALLED): core/plugin/paths.c $(BUILD)/paths-installed
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) \
	    $(INSTALLED_PATHS) -c -o $@ $<

$(LIB_SHARED): $(PUBLIC_OBJ) core/libbitnet.map
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=core/libbitnet.map \
	    $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $(PUBLIC_OBJ) $(PUBLIC_LIBS)
	@ln -sf $(SONAME) $(@D)/libbitnet.so

# One object, in which every hidden name has become local: a static library leaks nothing either.
$(LIB_STATIC): $(PUBLIC_OBJ)
	@mkdir -p $(@D)
	$(call run,AR,$@)$(CC) -r -nostdlib -o $(@D)/bitnet.o $(PUBLIC_OBJ)
	@$(OBJCOPY) --localize-hidden --localize-symbol=bnt_judge_plugin $(@D)/bitnet.o
	@rm -f $@
	@$(AR) rcs $@ $(@D)/bitnet.o
	@rm -f $(@D)/bitnet.o

install-library: library
	install -d -m 755 $(INSTALL_ROOT)/lib/pkgconfig $(INSTALL_ROOT)/include/bitnet
	install -m 755 $(LIB_SHARED) $(INSTALL_ROOT)/lib
	ln -sf $(SONAME) $(INSTALL_ROOT)/lib/libbitnet.so
	install -m 644 $(LIB_STATIC) $(INSTALL_ROOT)/lib
	install -m 644 $(addprefix core/include/bitnet/,bitnet.h sequences.h status.h) $(INSTALL_ROOT)/include/bitnet
	install -d -m 755 $(INSTALL_ROOT)/share/man/man3 $(INSTALL_ROOT)/share/doc/bitnet/examples
	install -m 644 docs/libbitnet.3 $(INSTALL_ROOT)/share/man/man3
	install -m 644 docs/examples/*.c $(INSTALL_ROOT)/share/doc/bitnet/examples
	sed -e 's,@PREFIX@,$(PREFIX),g' -e 's,@VERSION@,$(VERSION),g' core/bitnet.pc.in \
	    >$(INSTALL_ROOT)/lib/pkgconfig/bitnet.pc

uninstall-library:
	rm -f $(INSTALL_ROOT)/lib/$(SONAME) $(INSTALL_ROOT)/lib/libbitnet.so $(INSTALL_ROOT)/lib/libbitnet.a \
	    $(INSTALL_ROOT)/lib/pkgconfig/bitnet.pc $(INSTALL_ROOT)/share/man/man3/libbitnet.3
