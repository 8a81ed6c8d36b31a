# library.mk - builds the public library: libbitnet.so and libbitnet.a. packaging/install.mk installs it.
# Included by the Makefile. The library is the engine and its receipts, without the command, the proofs, the
# converter and the hub; both forms show only what bitnet.h and what it includes declare with BNT_API.

SONAME      := libbitnet.so.0
LIB_SHARED  := $(BUILD)/lib/$(SONAME)
LIB_STATIC  := $(BUILD)/lib/libbitnet.a
NOT_PUBLIC  := core/parity core/hub core/convert
PUBLIC_OBJ   = $(filter-out $(addsuffix /%,$(addprefix $(BUILD)/obj/,$(NOT_PUBLIC))),$(LIB_OBJ)) $(PATHS_LIBRARY)
PUBLIC_LIBS  = $(shell $(PKG_CONFIG) --libs hwloc libcrypto libutf8proc jansson) -ldl -lpthread -lm
OBJCOPY     ?= $(shell $(CC) -print-prog-name=objcopy)

.PHONY: library
library: $(LIB_SHARED) $(LIB_STATIC)

$(LIB_SHARED): $(PUBLIC_OBJ) core/libbitnet.map
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=core/libbitnet.map \
	    $(LINK_HARDEN) $(if $(findstring sanitize,$(OPT)),,-Wl,-z,defs) $(CFLAGS) $(LDFLAGS) -o $@ $(PUBLIC_OBJ) $(PUBLIC_LIBS)
	@ln -sf $(SONAME) $(@D)/libbitnet.so

# One object, in which every hidden name has become local: a static library leaks nothing either.
$(LIB_STATIC): $(PUBLIC_OBJ)
	@mkdir -p $(@D)
	$(call run,AR,$@)$(CC) -r -nostdlib -o $(@D)/bitnet.o $(PUBLIC_OBJ)
	@$(OBJCOPY) --localize-hidden --localize-symbol=bnt_judge_plugin $(@D)/bitnet.o
	@rm -f $@
	@$(AR) rcs $@ $(@D)/bitnet.o
	@rm -f $(@D)/bitnet.o
