# plugins.mk - builds the plugins that tests/unit/test_backend.c and test_plugin_safety.c give to the loader, and
# test_parity.c to its checks: good ones and hostile ones, a file each. They borrow ref-scalar's
# kernels, and see what any plugin sees.

TEST_PLUGIN_NAMES := $(basename $(notdir $(wildcard tests/plugins/*.c)))
TEST_PLUGINS := $(TEST_PLUGIN_NAMES:%=$(BUILD)/test-plugins/%.so)
REF_OBJ := $(filter-out %/plugin.o,$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/ref-scalar/*.c)))

.PHONY: test-plugins
test-plugins: $(TEST_PLUGINS)

$(BUILD)/obj/tests/plugins/%.o: tests/plugins/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) -Icore/include -Iplugins/ref-scalar $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# gcc before 13 links start-up code that turns on flush-to-zero into such a shared object.
$(BUILD)/test-plugins/fast-math.so: TEST_PLUGIN_LINK := -ffast-math

$(BUILD)/test-plugins/%.so: $(BUILD)/obj/tests/plugins/%.o $(REF_OBJ)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -shared $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) $(TEST_PLUGIN_LINK) -o $@ $^ -lm

$(BUILD)/tests/test_backend $(BUILD)/tests/test_plugin_safety $(BUILD)/tests/test_parity: | $(TEST_PLUGINS)
