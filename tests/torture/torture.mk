# torture.mk - the program in which the n-th allocation fails; included by tests.mk. The linker sends
# our own objects' calls to it (--wrap); what other libraries allocate for themselves is left alone.

TORTURE_BIN   := $(BUILD)/tests/torture
TORTURE_CALLS := malloc calloc realloc reallocarray aligned_alloc strdup free mmap munmap pthread_create
TORTURE_OBJ   := $(BUILD)/obj/tests/torture/torture.o $(BUILD)/obj/tests/torture/wrap.o

.PHONY: torture
torture: $(TORTURE_BIN) plugins
	$(TORTURE_BIN)

$(TORTURE_BIN): $(TORTURE_OBJ) $(TOOL_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) $(TORTURE_CALLS:%=-Wl,--wrap=%) \
	    -o $@ $^ $(CORE_LIBS)
