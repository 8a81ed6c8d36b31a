# torture.mk - the programs in which the n-th allocation fails, of the library and of every command;
# included by tests.mk. The linker sends our own objects' calls to them (--wrap); what other libraries
# allocate for themselves is left alone.

TORTURE_BIN   := $(BUILD)/tests/torture
TORTURE_CALLS := malloc calloc realloc reallocarray aligned_alloc strdup free mmap munmap pthread_create
TORTURE_CMD_BIN := $(BUILD)/tests/torture-commands

.PHONY: torture torture-all
torture: $(TORTURE_BIN) $(TORTURE_CMD_BIN) tools plugins
	$(TORTURE_BIN)
	tests/torture/commands.sh $(BUILD)
torture-all: $(TORTURE_CMD_BIN) tools plugins
	tests/torture/commands.sh $(BUILD) all

$(TORTURE_BIN) $(TORTURE_CMD_BIN): $(BUILD)/obj/tests/torture/wrap.o $(TOOL_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) $(TORTURE_CALLS:%=-Wl,--wrap=%) \
	    -o $@ $(filter %.o,$^) $(filter $(SERVE),$^) $(LIB) $(CMD_LIBS) $(CORE_LIBS)
$(TORTURE_BIN): $(BUILD)/obj/tests/torture/torture.o
$(TORTURE_CMD_BIN): $(BUILD)/obj/tests/torture/commands.o $(BUILD)/obj/tests/torture/client.o $(BUILD)/obj/tests/torture/main.o \
                    $(filter-out %/main.o,$(CMD_OBJ)) $(SERVE)

# The program's main as a function.
$(BUILD)/obj/tests/torture/main.o: core/cmd/main.c $(BUILD)/where
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) \
	    -Dmain=bitnet_main -Wno-missing-prototypes -c -o $@ $<
